from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from headrace.contracts import Batch, Json, Spec
from headrace.errors import ConfigError
from headrace.tasks import TASKS
from headrace.training.settings import ResolvedTrainSettings

MULTILABEL = TASKS["multilabel"]
TRANSFORM: Json = {"target": {"num_rows": 40, "rows": {"comedy": 30, "war": 10}}}


def options_of(**settings: Any) -> Json:
    return MULTILABEL.loss_options(ResolvedTrainSettings(**settings).model_dump(), TRANSFORM)


def batch(targets: list[list[float]], weights: list[float]) -> Batch:
    return Batch(torch.empty(len(targets), 0), torch.tensor(targets), torch.tensor(weights), len(targets))


def test_num_outputs_is_one_a_label() -> None:
    spec = Spec(modality="text", task="multilabel", source="x", format="table", num_rows=9, classes=["comedy", "war"])
    assert MULTILABEL.num_outputs(spec) == MULTILABEL.num_outputs(spec, "bce") == 2


def test_loss_is_the_mean_over_labels_summed_over_rows_by_weight() -> None:
    logits = np.array([[2.0, -1.0], [0.5, 3.0], [9.0, 9.0]])
    targets = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    expected = np.log1p(np.exp(-np.where(targets > 0, logits, -logits)))[:2].mean(axis=1).sum()
    found = MULTILABEL.loss(torch.tensor(logits), batch(targets.tolist(), [1.0, 1.0, 0.0]), options_of())
    assert float(found) == pytest.approx(expected)


def test_balanced_weights_make_both_sides_of_a_label_weigh_the_same() -> None:
    assert options_of(class_weights="balanced")["positive_weights"] == [1 / 3, 3.0]
    assert options_of(class_weights={"war": 4})["positive_weights"] == [1.0, 4.0]


def test_accuracy_is_the_share_of_right_labels_of_each_row() -> None:
    outputs = torch.tensor([[2.0, -1.0], [0.5, 3.0], [1.0, -1.0]])
    rows = batch([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [1.0, 1.0, 0.0])
    assert float(MULTILABEL.metric_sums(outputs, rows, {})) == 1.5


def test_score_is_scikit_learns_micro_f1() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((50, 4)) < 0.3).astype(np.float32)
    outputs = (targets - 0.5 + rng.normal(0, 0.7, targets.shape)).astype(np.float32)
    assert MULTILABEL.score(outputs, targets) == pytest.approx(f1_score(targets, outputs > 0, average="micro"))
    assert MULTILABEL.agreement(outputs, outputs) == 1
    assert MULTILABEL.agreement(outputs, -outputs) == 0
    assert MULTILABEL.score(-np.ones((3, 2), np.float32), np.zeros((3, 2), np.float32)) == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"loss": "cross_entropy"}, "loss: 'cross_entropy' is no loss of data that have several labels a row; choose"
         " one of ['auto', 'bce', 'focal']"),
        ({"class_weights": {"wars": 2}}, "class_weights.wars: no such class; choose one of ['comedy', 'war'] (did you"
         " mean 'war'?)"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options_of(**settings)
    assert str(caught.value) == f"params.yaml: train.{told}"
