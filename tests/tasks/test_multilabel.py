from typing import Any

import numpy as np
import pytest
import torch

from headrace.contracts import Batch, Json, Spec
from headrace.errors import ConfigError
from headrace.tasks import TASKS
from headrace.training.settings import ResolvedTrainSettings

MULTILABEL = TASKS["multilabel"]
TRANSFORM: Json = {"target": {"num_rows": 40, "rows": {"comedy": 30, "war": 10}}}


def options_of(**settings: Any) -> Json:
    return MULTILABEL.loss_options(ResolvedTrainSettings(**settings), TRANSFORM)


def batch(targets: list[list[float]], weights: list[float]) -> Batch:
    return Batch(torch.empty(len(targets), 0), torch.tensor(targets), torch.tensor(weights), len(targets))


def test_num_outputs_is_one_per_label() -> None:
    spec = Spec(modality="text", task="multilabel", source="x", format="table", num_rows=9, classes=["comedy", "war"])
    assert MULTILABEL.num_outputs(spec) == MULTILABEL.num_outputs(spec, "bce") == 2


def test_loss_is_the_weighted_sum_of_means_over_labels() -> None:
    logits = np.array([[2.0, -1.0], [0.5, 3.0], [9.0, 9.0]])
    targets = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    expected = np.log1p(np.exp(-np.where(targets > 0, logits, -logits)))[:2].mean(axis=1).sum()
    loss = MULTILABEL.loss(torch.tensor(logits), batch(targets.tolist(), [1.0, 1.0, 0.0]), options_of())
    assert float(loss) == pytest.approx(expected)


def test_loss_options_hold_positive_weights() -> None:
    assert options_of(class_weights="balanced")["positive_weights"] == [1 / 3, 3.0]
    assert options_of(class_weights={"war": 4})["positive_weights"] == [1.0, 4.0]


def test_metric_sums_add_the_fraction_of_correct_labels() -> None:
    outputs = torch.tensor([[2.0, -1.0], [0.5, 3.0], [1.0, -1.0]])
    rows = batch([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [1.0, 1.0, 0.0])
    assert float(MULTILABEL.metric_sums(outputs, rows, {})) == 1.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weights": {"wars": 2}}, "class_weights.wars: no such class; choose one of ['comedy', 'war'] (did you"
         " mean 'war'?)"),
    ],
)  # fmt: skip
def test_loss_options_of_invalid_settings_raise(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options_of(**settings)
    assert str(caught.value) == f"params.yaml: train.{message}"
