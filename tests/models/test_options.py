import pytest

from headrace.config import Section, validate_section
from headrace.errors import ConfigError
from headrace.models.mlp import Mlp
from headrace.models.text import Rnn, TextMean, Transformer
from headrace.models.vit import Vit


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (Mlp, {"activation": "tanhh"}, "here.activation: got 'tanhh'; choose one of ['gelu', 'relu', 'sigmoid', 'silu',"
         " 'tanh'] (did you mean 'tanh'?)"),
        (Rnn, {"cell": "lstn"}, "here.cell: got 'lstn'; choose one of ['gru', 'lstm', 'rnn'] (did you mean 'lstm'?)"),
        (Transformer, {"width": 10, "num_heads": 4},
         "here.width: 4 heads cannot share 10 features evenly; use a multiple of 4"),
        (Transformer, {"num_heads": 5}, "here.width: 5 heads cannot share 64 features evenly; use a multiple of 5"),
        (Vit, {"width": 10}, "here.width: 4 heads cannot share 10 features evenly; use a multiple of 4"),
        (TextMean, {"width": 0}, "here.width: got 0; must be greater than 0"),
    ],
)  # fmt: skip
def test_invalid_option_raises(model: type[Section], options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_section(model, options, "here")
    assert str(caught.value) == message
