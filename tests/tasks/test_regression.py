from typing import Any

import pytest
import torch

from headrace.contracts import Batch, Json, Spec
from headrace.tasks import TASKS
from headrace.training.settings import ResolvedTrainSettings

REGRESSION = TASKS["regression"]
SPEC = Spec(modality="table", task="regression", source="x", format="table", num_rows=9)


def batch(targets: Any, weights: list[float]) -> Batch:
    return Batch(torch.empty(len(targets), 0), torch.tensor(targets), torch.tensor(weights), len(targets))


def test_num_outputs_is_one_per_target() -> None:
    assert REGRESSION.num_outputs(SPEC) == 1
    assert REGRESSION.num_outputs(SPEC.model_copy(update={"targets": ["a", "b"]})) == 2


def options_of(loss: str, std: float = 1.0) -> Json:
    return REGRESSION.loss_options(ResolvedTrainSettings(loss=loss), {"target": {"mean": 9.0, "std": std}})


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("auto", 0.25 + 9), ("mse", 0.25 + 9), ("mae", 0.5 + 3), ("huber", 0.125 + 2.5)],
)
def test_losses_are_of_standardized_errors(loss: str, expected: float) -> None:
    outputs, targets = torch.tensor([[101.0], [94.0], [7.0]]), [100.0, 100.0, 100.0]  # errors 0.5 and 3 deviations
    result = REGRESSION.loss(outputs, batch(targets, [1.0, 1.0, 0.0]), options_of(loss, std=2.0))
    assert float(result) == pytest.approx(expected)


def test_loss_does_not_depend_on_the_unit_of_the_target() -> None:
    outputs, targets = torch.tensor([[1.5], [-3.0]]), [1.0, 2.0]
    scaled = [1000 * target for target in targets]
    first = REGRESSION.loss(outputs, batch(targets, [1.0, 1.0]), options_of("huber"))
    assert float(REGRESSION.loss(1000 * outputs, batch(scaled, [1.0, 1.0]), options_of("huber", 1000.0))) == (
        pytest.approx(float(first))
    )


def test_metric_sums_are_in_the_unit_of_the_target() -> None:
    rows = batch([100.0, 100.0, 100.0], [1.0, 1.0, 0.0])
    sums = REGRESSION.metric_sums(torch.tensor([[101.0], [94.0], [7.0]]), rows, options_of("mse", std=2.0))
    assert float(sums) == 7.0


def test_loss_and_metrics_of_several_targets_do_not_depend_on_their_units() -> None:
    outputs, targets = torch.tensor([[101.0, 0.7], [94.0, 0.1]]), [[100.0, 0.5], [100.0, 0.5]]
    options = REGRESSION.loss_options(ResolvedTrainSettings(loss="mae"), {"target": {"std": [2.0, 0.1]}})
    result = REGRESSION.loss(outputs, batch(targets, [1.0, 1.0]), options)
    assert float(result) == pytest.approx((0.5 + 2) / 2 + (3 + 4) / 2)  # in standard deviations
    assert float(REGRESSION.metric_sums(outputs, batch(targets, [1.0, 0.0]), options)) == pytest.approx((0.5 + 2) / 2)
