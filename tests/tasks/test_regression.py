from typing import Any

import numpy as np
import pytest
import torch

from headrace.contracts import Batch, Json, Spec
from headrace.errors import ConfigError
from headrace.tasks import TASKS
from headrace.training.settings import ResolvedTrainSettings

REGRESSION = TASKS["regression"]
SPEC = Spec(modality="table", task="regression", source="x", format="table", num_rows=9)


def batch(targets: Any, weights: list[float]) -> Batch:
    return Batch(torch.empty(len(targets), 0), torch.tensor(targets), torch.tensor(weights), len(targets))


def test_regression_has_one_output_a_target() -> None:
    assert REGRESSION.num_outputs(SPEC) == 1
    assert REGRESSION.num_outputs(SPEC.model_copy(update={"targets": ["a", "b"]})) == 2


def options_of(loss: str, std: float = 1.0) -> Json:
    return REGRESSION.loss_options(ResolvedTrainSettings(loss=loss).model_dump(), {"target": {"mean": 9.0, "std": std}})


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("auto", 0.25 + 9), ("mse", 0.25 + 9), ("mae", 0.5 + 3), ("huber", 0.125 + 2.5)],
)
def test_losses_are_of_standardised_errors(loss: str, expected: float) -> None:
    outputs, targets = torch.tensor([[101.0], [94.0], [7.0]]), [100.0, 100.0, 100.0]  # errors 0.5 and 3 deviations
    found = REGRESSION.loss(outputs, batch(targets, [1.0, 1.0, 0.0]), options_of(loss, std=2.0))
    assert float(found) == pytest.approx(expected)


def test_loss_is_the_same_in_any_unit_of_the_target() -> None:
    outputs, targets = torch.tensor([[1.5], [-3.0]]), [1.0, 2.0]
    scaled = [1000 * target for target in targets]
    first = REGRESSION.loss(outputs, batch(targets, [1.0, 1.0]), options_of("huber"))
    assert float(REGRESSION.loss(1000 * outputs, batch(scaled, [1.0, 1.0]), options_of("huber", 1000.0))) == (
        pytest.approx(float(first))
    )


def test_mae_is_in_the_targets_unit() -> None:
    rows = batch([100.0, 100.0, 100.0], [1.0, 1.0, 0.0])
    found = REGRESSION.metric_sums(torch.tensor([[101.0], [94.0], [7.0]]), rows, options_of("mse", std=2.0))
    assert float(found) == 7.0


def test_r2_is_scikit_learns() -> None:
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    targets = rng.normal(1e4, 5, 50).astype(np.float32)
    values = (targets + rng.normal(0, 2, 50)).astype(np.float32)[:, None]
    assert REGRESSION.score(values, targets) == pytest.approx(r2_score(targets, values[:, 0]), abs=1e-6)
    assert REGRESSION.agreement(values, values) == 1
    assert REGRESSION.agreement(values + 1, values) < 1


@pytest.mark.parametrize(("values", "expected"), [([[2.0], [2.0]], 1.0), ([[2.0], [2.5]], 0.0)])
def test_r2_of_targets_that_are_all_equal(values: list[list[float]], expected: float) -> None:
    assert REGRESSION.score(np.array(values, np.float32), np.array([2.0, 2.0], np.float32)) == expected


def test_several_targets_count_the_same_whatever_their_units() -> None:
    outputs, targets = torch.tensor([[101.0, 0.7], [94.0, 0.1]]), [[100.0, 0.5], [100.0, 0.5]]
    options = REGRESSION.loss_options(ResolvedTrainSettings(loss="mae").model_dump(), {"target": {"std": [2.0, 0.1]}})
    found = REGRESSION.loss(outputs, batch(targets, [1.0, 1.0]), options)
    assert float(found) == pytest.approx((0.5 + 2) / 2 + (3 + 4) / 2)  # in standard deviations
    assert float(REGRESSION.metric_sums(outputs, batch(targets, [1.0, 0.0]), options)) == pytest.approx((0.5 + 2) / 2)


def test_r2_of_several_targets_is_scikit_learns_mean() -> None:
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    targets = rng.normal([10, 1e3], [1, 50], (40, 2)).astype(np.float32)
    values = (targets + rng.normal(0, [0.5, 10], (40, 2))).astype(np.float32)
    assert REGRESSION.score(values, targets) == pytest.approx(r2_score(targets, values), abs=1e-6)
    assert REGRESSION.agreement(values, values) == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"loss": "bce"}, "loss: 'bce' is no loss of data that have values; choose one of ['auto', 'mse', 'mae', "
         "'huber']"),
        ({"label_smoothing": 0.1}, "label_smoothing: 0.1 is of classification, and the data have values; set 0"),
        ({"class_weights": "balanced"},
         "class_weights: 'balanced' are of classification, and the data have values; set none"),
    ],
)  # fmt: skip
def test_settings_of_classes_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        REGRESSION.loss_options(ResolvedTrainSettings(**settings).model_dump(), {"target": {"std": 1.0}})
    assert str(caught.value) == f"params.yaml: train.{told}"
