import numpy as np
import pytest
from sklearn import metrics as reference

from headrace.evaluation.metrics import calibration, classification, multilabel
from headrace.evaluation.metrics.intervals import classification_intervals, macro_f1_of_sums, multilabel_intervals

RNG = np.random.default_rng(0)
NUM_CLASSES = 4


def draw_classes(num_rows: int, rng: np.random.Generator = RNG):
    """Calibrated probabilities, and classes drawn from them."""
    logits = rng.normal(0, 1.5, (num_rows, NUM_CLASSES)).astype(np.float32) + np.float32([0.5, 0, 0, -1])
    probabilities = classification.softmax(logits)
    return logits, (rng.random((num_rows, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, NUM_CLASSES - 1)


def measure_classes(logits, targets, seed=0):
    probabilities, correct = classification.softmax(logits), classification.is_correct(logits, targets)
    metrics = classification.summary_metrics(logits, targets)
    bins = calibration.reliability_bins(probabilities.max(axis=1), correct)
    metrics["ece"] = calibration.expected_calibration_error(bins)
    losses = classification.negative_log_likelihood_by_row(logits, targets)
    return metrics | classification_intervals(metrics, probabilities, losses, targets, seed=seed)


def measure_labels(logits, targets, seed=0):
    probabilities, predicted = multilabel.sigmoid(logits), logits > 0
    metrics = multilabel.summary_metrics(logits, targets, temperature=1.0, threshold=0.5)
    bins = calibration.reliability_bins(probabilities.ravel(), targets.ravel())
    metrics["ece"] = calibration.expected_calibration_error(bins)
    losses = multilabel.log_losses(logits, targets)
    return metrics | multilabel_intervals(metrics, probabilities, predicted, targets, losses, seed=seed)


def assert_close(metrics, name, resampled):
    mean, error = float(np.mean(resampled)), float(np.std(resampled))
    ends = (metrics[f"{name}_low"], metrics[f"{name}_high"])
    assert ends == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.6 * error), name


def test_intervals_of_classes_are_those_of_a_plain_loop_over_resampled_rows() -> None:
    logits, targets = draw_classes(500)
    metrics = measure_classes(logits, targets)
    probabilities, predicted = classification.softmax(logits), logits.argmax(axis=1)
    loop = {"macro_f1": [], "loss": [], "auroc": []}
    for _ in range(100):
        rows = RNG.integers(0, 500, 500)
        loop["macro_f1"].append(reference.f1_score(targets[rows], predicted[rows], average="macro"))
        loop["loss"].append(reference.log_loss(targets[rows], probabilities[rows]))
        loop["auroc"].append(reference.roc_auc_score(targets[rows], probabilities[rows], multi_class="ovr"))
    assert metrics["auroc"] == pytest.approx(reference.roc_auc_score(targets, probabilities, multi_class="ovr"))
    for name, resampled in loop.items():
        assert_close(metrics, name, resampled)


def test_intervals_of_labels_are_those_of_a_plain_loop_over_resampled_rows() -> None:
    targets = RNG.random((400, 3)) < [0.5, 0.3, 0.15]
    logits = ((targets - 0.5) * 2 + RNG.normal(0, 1.5, targets.shape)).astype(np.float32)
    metrics, predicted, probabilities = measure_labels(logits, targets), logits > 0, multilabel.sigmoid(logits)
    loop = {"micro_f1": [], "macro_f1": [], "exact_match": [], "mean_average_precision": [], "auroc": [], "loss": []}
    for _ in range(100):
        rows = RNG.integers(0, 400, 400)
        actual, answers, scores = targets[rows], predicted[rows], probabilities[rows]
        loop["micro_f1"].append(reference.f1_score(actual, answers, average="micro"))
        loop["macro_f1"].append(reference.f1_score(actual, answers, average="macro"))
        loop["exact_match"].append(reference.accuracy_score(actual, answers))
        loop["mean_average_precision"].append(reference.average_precision_score(actual, scores))
        loop["auroc"].append(reference.roc_auc_score(actual, scores))
        loop["loss"].append(np.mean([reference.log_loss(actual[:, k], scores[:, k]) for k in range(3)]))
    for name, resampled in loop.items():
        assert_close(metrics, name, resampled)
    for name in ("auroc", "mean_average_precision"):
        scorer = reference.roc_auc_score if name == "auroc" else reference.average_precision_score
        assert metrics[name] == pytest.approx(scorer(targets, probabilities))
    assert metrics["ece_low"] <= metrics["ece"] <= metrics["ece_high"]


@pytest.mark.parametrize("factor", [1.0, 1.5], ids=["calibrated", "overconfident"])
def test_intervals_cover_the_values_of_all_rows_19_times_of_20(factor: float) -> None:
    def draw(num_rows: int):
        logits, targets = draw_classes(num_rows)
        return np.float32(factor) * logits, targets

    names = ("macro_f1", "loss", "auroc", "ece")
    everything = measure_classes(*draw(200_000))
    samples = [measure_classes(*draw(300), seed=seed) for seed in range(150)]
    covered = {
        name: np.mean([each[f"{name}_low"] <= everything[name] <= each[f"{name}_high"] for each in samples])
        for name in names
    }
    assert {name: rate for name, rate in covered.items() if rate <= 0.87} == {}
    assert np.mean([each["ece"] for each in samples]) > everything["ece"] + 0.01  # why its interval is not centered


def test_without_a_mistake_the_interval_is_that_of_as_many_right_rows() -> None:
    targets = np.array([0, 1, 2, 3] * 5)
    metrics = measure_classes(np.eye(4, dtype=np.float32)[targets] * 5, targets)
    assert (metrics["macro_f1_low"], metrics["macro_f1_high"]) == classification.wilson_interval(20, 20)
    labels = np.eye(4, dtype=bool)[targets]
    assert measure_labels(np.where(labels, 5, -5).astype(np.float32), labels)["micro_f1_low"] < 0.9


def test_macro_f1_of_sums_leaves_out_classes_that_do_not_occur() -> None:
    hits, occurrences = np.array([[1.0, 0, 0], [0, 0, 0]]), np.array([[2.0, 1, 0], [0, 0, 0]])
    assert macro_f1_of_sums(hits, occurrences).tolist() == [0.5, 1]
