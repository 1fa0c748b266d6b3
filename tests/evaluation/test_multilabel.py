import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from headrace.evaluation.multilabel import evaluate_multilabel, validate_multilabel
from headrace.evaluation.slices import SliceKey

CLASSES = ["comedy", "war", "western"]
RNG = np.random.default_rng(0)
TARGETS = RNG.random((200, 3)) < [0.5, 0.3, 0.0]  # no row has the last label
LOGITS = (TARGETS - 0.5) * 3 + RNG.normal(0, 1.5, TARGETS.shape)


@pytest.fixture
def predictions(make_predictions):
    return make_predictions(LOGITS, TARGETS.astype(np.float32), task="multilabel", classes=CLASSES)


def test_validate_multilabel_chooses_the_threshold_of_the_highest_f1(predictions):
    metrics = validate_multilabel(predictions, 0.99).metrics
    logit = metrics["temperature"] * np.log(metrics["threshold"] / (1 - metrics["threshold"]))
    assert metrics["micro_f1"] == pytest.approx(f1_score(TARGETS, logit < LOGITS, average="micro"))
    assert metrics["micro_f1"] >= f1_score(TARGETS, LOGITS > 0, average="micro")
    assert metrics["ece"] < metrics["ece_before"]


def test_evaluate_multilabel_reports_every_row_label_and_slice(predictions):
    validated = {"temperature": 1.0, "threshold": 0.5}
    result = evaluate_multilabel(predictions, {SliceKey("row", "first"): np.arange(200) < 50}, validated.__getitem__, 0)
    accuracies = ((LOGITS > 0) == TARGETS).mean(axis=1)
    slices = {f"{part.column}={part.value}": part.accuracy for part in result.reports["slices"].rows}
    assert slices == {
        "label=comedy": pytest.approx(accuracies[TARGETS[:, 0]].mean()),
        "label=war": pytest.approx(accuracies[TARGETS[:, 1]].mean()),
        "row=first": pytest.approx(accuracies[:50].mean()),
    }
    by_label = {name: f1 for name, _, _, _, f1, _ in result.reports["per_class"].rows}
    assert list(by_label) == CLASSES
    assert result.metrics["worst_label_f1"] == min(by_label.values())
    assert result.predictions["wrong_share"] == pytest.approx(1 - accuracies)
    names = [json.loads(row) for row in result.predictions["target"]]
    assert names == [[name for name, flag in zip(CLASSES, row, strict=True) if flag] for row in TARGETS]
