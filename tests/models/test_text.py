import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from headrace.config import Section, check
from headrace.errors import ConfigError
from headrace.models.layers import TextModel
from headrace.models.recurrent import CellName
from headrace.models.text import Rnn, TextMean, Transformer

MAX_TOKENS, VOCABULARY = 9, 30
NETWORKS = {
    "mean": TextMean(dense=[8]),
    "mean_linear": TextMean(dense=[]),
    "rnn": Rnn(cell="rnn", bidirectional=False),
    "gru": Rnn(cell="gru", num_layers=2, dense=[5]),
    "lstm": Rnn(num_layers=2, dropout=0.1),
    "transformer": Transformer(width=16, num_heads=2, num_blocks=2),
}
names = pytest.mark.parametrize("name", NETWORKS)


def network_of(name: str) -> TextModel:
    torch.manual_seed(0)
    network = NETWORKS[name].build([MAX_TOKENS, VOCABULARY], 3)
    assert isinstance(network, TextModel)
    return network.eval()


def ids(lengths: list[int], seed: int = 0) -> NDArray[np.int64]:
    rng, padded = np.random.default_rng(seed), np.zeros((len(lengths), max(lengths)), np.int64)
    for row, length in enumerate(lengths):
        padded[row, :length] = rng.integers(1, VOCABULARY, length)
    return padded


@names
def test_padding_changes_no_outputs(name: str) -> None:
    network, lengths = network_of(name), [1, 4, MAX_TOKENS, 2, 7]
    together = torch.from_numpy(ids(lengths))
    with torch.inference_mode():
        outputs = network(together)
        alone = torch.cat([network(together[row : row + 1, :length]) for row, length in enumerate(lengths)])
    torch.testing.assert_close(alone, outputs, rtol=0, atol=1e-5)
    assert (outputs - outputs[:1]).abs().max() > 1e-3, "the rows differ, and so do their outputs"


@names
def test_row_without_tokens_has_outputs(name: str) -> None:
    with torch.inference_mode():
        assert torch.isfinite(network_of(name)(torch.zeros(2, 3, dtype=torch.int64))).all()


@names
def test_forward_is_embed_then_the_rest(name: str) -> None:
    network, tokens = network_of(name), torch.from_numpy(ids([3, 6]))
    embedded = network.embed(tokens)
    assert embedded.shape[:2] == tokens.shape
    assert not embedded[tokens == 0].any(), "padding is embedded as 0"
    assert torch.equal(network.forward_embedded(embedded, tokens != 0), network(tokens))


@names
def test_order_of_the_tokens_counts_where_it_should(name: str) -> None:
    network, tokens = network_of(name), torch.from_numpy(ids([MAX_TOKENS]))
    difference = (network(tokens) - network(tokens.flip(1))).abs().max()
    assert (difference < 1e-6) == name.startswith("mean")


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_rnn_of_whole_rows_is_torchs_own(cell: CellName) -> None:
    network = Rnn(cell=cell, width=5, hidden=4).build([MAX_TOKENS, VOCABULARY], 3)
    assert isinstance(network, TextModel)
    forth, back = (direction.cell for direction in network.layers[0])  # type: ignore[index, union-attr]
    whole = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](5, 4, batch_first=True, bidirectional=True)
    weights = {**forth.state_dict(), **{f"{key}_reverse": value for key, value in back.state_dict().items()}}
    whole.load_state_dict(weights)
    tokens = torch.from_numpy(ids([6, 6]))
    expected = network.head(whole(network.embed(tokens))[0].mean(dim=1))  # type: ignore[operator]
    torch.testing.assert_close(network(tokens), expected)


def test_embedding_of_padding_is_never_trained() -> None:
    network = network_of("transformer").train()
    network(torch.from_numpy(ids([3, 5]))).sum().backward()
    assert network.embedding.weight.grad is not None
    assert not network.embedding.weight.grad[0].any()
    assert not network.embedding.weight[0].any()


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        (Rnn, {"cell": "lstn"}, "here.cell: got 'lstn'; choose one of ['gru', 'lstm', 'rnn'] (did you mean 'lstm'?)"),
        (Transformer, {"width": 10, "num_heads": 4},
         "here.width: 4 heads cannot share 10 features evenly; use a multiple of 4"),
        (Transformer, {"num_heads": 5}, "here.width: 5 heads cannot share 64 features evenly; use a multiple of 5"),
        (TextMean, {"width": 0}, "here.width: got 0; must be greater than 0"),
    ],
)  # fmt: skip
def test_mistaken_option_is_named(model: type[Section], options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(model, options, "here")
    assert str(caught.value) == told
