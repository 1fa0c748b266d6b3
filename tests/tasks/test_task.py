import pytest

from headrace.contracts import Json
from headrace.errors import ConfigError
from headrace.tasks.task import check_loss, check_no_class_settings


def test_check_loss_lists_the_allowed_losses() -> None:
    check_loss({"loss": "mae"}, ("auto", "mae"), "values")
    with pytest.raises(ConfigError) as caught:
        check_loss({"loss": "bce"}, ("auto", "mae"), "values")
    assert str(caught.value) == "params.yaml: train.loss: 'bce' is not a loss for values; choose one of ['auto', 'mae']"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_smoothing": 0.1, "class_weights": "none"},
         "label_smoothing: 0.1 applies only to classification, and the targets are values; set 0"),
        ({"label_smoothing": 0.0, "class_weights": "balanced"},
         "class_weights: 'balanced' applies only to classification, and the targets are values; set none"),
    ],
)  # fmt: skip
def test_check_no_class_settings_raises(settings: Json, message: str) -> None:
    check_no_class_settings({"label_smoothing": 0.0, "class_weights": "none"})
    with pytest.raises(ConfigError) as caught:
        check_no_class_settings(settings)
    assert str(caught.value) == f"params.yaml: train.{message}"
