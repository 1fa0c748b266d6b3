import numpy as np
import pytest

from headrace.evaluation.classification import evaluate_classification, validate_classification
from headrace.evaluation.slices import SliceKey

CLASSES = ["cat", "dog", "cow"]
TARGETS = np.arange(300) % 3
LOGITS = 4 * np.eye(3)[TARGETS] + np.random.default_rng(0).normal(0, 2, (300, 3))
CORRECT = LOGITS.argmax(axis=1) == TARGETS


@pytest.fixture
def predictions(make_predictions):
    return make_predictions(LOGITS, TARGETS, task="classification", classes=CLASSES)


def test_validate_classification_reports_quality_calibration_and_threshold(predictions):
    result = validate_classification(predictions, 0.95)
    metrics = result.metrics
    assert metrics["accuracy"] == CORRECT.mean()
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]
    scaled = np.exp(LOGITS / metrics["temperature"])
    confidence = (scaled / scaled.sum(axis=1, keepdims=True)).max(axis=1)
    accepted = confidence > metrics["threshold"] + 1e-6  # the logits are float32
    assert metrics["coverage"] == pytest.approx(accepted.mean(), abs=0.004)
    assert CORRECT[accepted].mean() >= 0.95
    assert sum(bin_.rows for bin_ in result.plots["calibration"].rows) == 300


def test_validate_classification_of_overconfident_logits_improves_the_calibration(make_predictions):
    overconfident = make_predictions(5 * LOGITS, TARGETS, task="classification", classes=CLASSES)
    metrics = validate_classification(overconfident, 0.95).metrics
    assert metrics["temperature"] > 2
    assert metrics["ece"] < metrics["ece_before"] / 2


def test_evaluate_classification_reports_every_row_class_and_slice(predictions):
    groups = {SliceKey("row", "first"): np.arange(300) < 100, SliceKey("row", "none"): np.zeros(300, bool)}
    result = evaluate_classification(predictions, groups, {"temperature": 1.5, "threshold": 0.5}.__getitem__, 0)
    slices = {f"{part.column}={part.value}": part.accuracy for part in result.reports["slices"].rows}
    assert set(slices) == {"class=cat", "class=dog", "class=cow", "row=first"}
    assert slices["row=first"] == CORRECT[:100].mean()
    recalls = {name: recall for name, _, _, recall, _ in result.reports["per_class"].rows}
    assert result.metrics["worst_class_accuracy"] == min(recalls.values())
    assert result.metrics["worst_slice_accuracy"] == min(slices.values())
    assert result.predictions["correct"].tolist() == CORRECT.tolist()
    pairs = list(result.plots["confusion"].rows)
    assert sum(actual == predicted for actual, predicted in pairs) == CORRECT.sum()


def test_evaluate_classification_scales_confidences_by_the_temperature(predictions):
    cold, hot = (
        evaluate_classification(predictions, {}, {"temperature": temperature, "threshold": 0.5}.__getitem__, 0)
        for temperature in (1, 4)
    )
    assert cold.metrics["accuracy"] == hot.metrics["accuracy"]
    assert (hot.predictions["confidence"] < cold.predictions["confidence"]).all()


def test_evaluate_classification_abstains_up_to_the_threshold(predictions):
    validated = validate_classification(predictions, 0.95).metrics
    result = evaluate_classification(predictions, {}, validated.__getitem__, 0)
    answered = ~result.predictions["abstained"]
    assert 0 < result.metrics["abstained"] == pytest.approx(1 - validated["coverage"])
    assert result.metrics["answered_accuracy"] == CORRECT[answered].mean() >= 0.95 > CORRECT.mean()
    assert result.metrics["answered_accuracy_low"] < result.metrics["answered_accuracy"]
    nothing = evaluate_classification(predictions, {}, {"temperature": 1.0, "threshold": 1.0}.__getitem__, 0)
    assert nothing.metrics["abstained"] == 1
    assert "answered_accuracy" not in nothing.metrics


def test_evaluate_classification_of_a_column_named_as_the_classes_slices(predictions):
    groups = {SliceKey("class", "First"): ~CORRECT}
    result = evaluate_classification(predictions, groups, {"temperature": 1.0, "threshold": 0.5}.__getitem__, 0)
    assert result.metrics["worst_slice_accuracy"] == 0 < result.metrics["worst_class_accuracy"]
