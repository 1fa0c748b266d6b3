"""Values against scikit-learn, intervals against their coverage and each other."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from headrace.comparison.aligned_rows import align_rows
from headrace.comparison.paired_metrics import measure_paired
from headrace.evaluation.metrics.regression import root_mean_square
from headrace.storage.label_codec import decode_names
from tests.comparison.stored_models import CLASSES, draw_classes, draw_labels, draw_values, make_ids


def measure(make_models, *tables):
    models = make_models(*tables)
    return {metric.name: metric for metric in measure_paired(align_rows(*models), models[0].task)}


def test_classification_has_the_values_of_scikit_learn(make_models):
    tables = draw_classes(400, 0.8, 2), draw_classes(400, 0.9, 3)
    measured = measure(make_models, *tables)
    assert list(measured) == ["accuracy", "macro_f1", "auroc", "log_loss"]
    for table, side in zip(tables, ("first", "second"), strict=True):
        target, predicted = table["target"].to_pylist(), table["predicted"].to_pylist()
        scores = np.column_stack([part.to_numpy() for part in table["probabilities"].combine_chunks().flatten()])
        expected = {
            "accuracy": metrics.accuracy_score(target, predicted),
            "macro_f1": metrics.f1_score(target, predicted, average="macro"),
            "auroc": metrics.roc_auc_score(target, scores, multi_class="ovr"),
            "log_loss": metrics.log_loss(target, scores, labels=CLASSES),
        }
        assert {name: getattr(each, side) for name, each in measured.items()} == pytest.approx(expected)
    assert all(metric.effect == 1 for metric in measured.values())
    assert {name: metric.effect for name, metric in measure(make_models, *tables[::-1]).items()} == dict.fromkeys(
        measured, -1
    )


def test_multilabel_has_the_values_of_scikit_learn(make_models):
    tables = draw_labels(300, 0.8, 2), draw_labels(300, 0.9, 3)
    measured = measure(make_models, *tables)
    assert list(measured) == ["micro_f1", "macro_f1", "exact_match", "mean_average_precision", "auroc", "accuracy"]

    def flags(table, column):
        return np.array([[name in decode_names(text) for name in CLASSES] for text in table[column].to_pylist()])

    for table, side in zip(tables, ("first", "second"), strict=True):
        target, predicted = flags(table, "target"), flags(table, "predicted")
        scores = np.column_stack([part.to_numpy() for part in table["probabilities"].combine_chunks().flatten()])
        expected = {
            "micro_f1": metrics.f1_score(target, predicted, average="micro"),
            "macro_f1": metrics.f1_score(target, predicted, average="macro"),
            "exact_match": metrics.accuracy_score(target, predicted),
            "mean_average_precision": metrics.average_precision_score(target, scores),
            "auroc": metrics.roc_auc_score(target, scores),
            "accuracy": (target == predicted).mean(),
        }
        assert {name: getattr(each, side) for name, each in measured.items()} == pytest.approx(expected)
    assert all(metric.effect == 1 for metric in measured.values())


def test_regression_has_the_values_of_scikit_learn(make_models):
    tables = draw_values(300, 1.0, 2), draw_values(300, 0.5, 3)
    measured = measure(make_models, *tables)
    assert list(measured) == ["rmse", "mae", "r2"]
    for table, side in zip(tables, ("first", "second"), strict=True):
        target, predicted = (table[name].to_numpy() for name in ("target", "predicted"))
        expected = {
            "rmse": metrics.root_mean_squared_error(target, predicted),
            "mae": metrics.mean_absolute_error(target, predicted),
            "r2": metrics.r2_score(target, predicted),
        }
        assert {name: getattr(each, side) for name, each in measured.items()} == pytest.approx(expected)
    assert all(metric.effect == 1 for metric in measured.values())
    rmse = measured["rmse"]
    assert rmse.low < rmse.difference < rmse.high < 0, "smaller errors are better"


def several_targets(scale, seed):
    rng, targets = np.random.default_rng(seed), np.random.default_rng(1).normal(size=(200, 2))
    errors = rng.normal(0, scale, (200, 2))
    columns = {f"target {name}": targets[:, at] for at, name in enumerate(("price ($)", "area"))}
    columns |= {f"predicted {name}": (targets + errors)[:, at] for at, name in enumerate(("price ($)", "area"))}
    return pa.table({"row_id": make_ids(200), **columns, "error": np.sqrt(np.square(errors).mean(axis=1))})


def test_several_targets_are_measured_together_and_each(make_models):
    tables = several_targets(1.0, 2), several_targets(0.5, 3)
    measured = measure(make_models, *tables)
    names = ["rmse", "rmse_price", "mae_price", "r2_price", "rmse_area", "mae_area", "r2_area"]
    assert list(measured) == names
    assert measured["rmse"].first == pytest.approx(root_mean_square(tables[0]["error"].to_numpy()))
    assert all(metric.effect == 1 for metric in measured.values())


@pytest.mark.parametrize("table", [draw_classes(60, 0.9, 2), draw_labels(60, 0.9, 2), draw_values(60, 1.0, 2)])
def test_outcomes_alone_suffice_for_the_first_metric(make_models, table):
    outcome = next(name for name in ("correct", "wrong_share", "error") if name in table.column_names)
    measured = measure(make_models, table, table.select(["row_id", outcome]))
    expected = {"correct": {"accuracy"}, "wrong_share": {"accuracy"}, "error": {"rmse", "mae", "r2"}}
    assert set(measured) == expected[outcome]
    assert all(metric.effect == 0 for metric in measured.values()), "the answers are the same"


def test_paired_intervals_are_narrower_than_those_of_independent_rows(make_models):
    accuracy = measure(make_models, draw_classes(2000, 0.8, 2), draw_classes(2000, 0.82, 3))["accuracy"]
    independent = 1.96 * np.sqrt(sum(p * (1 - p) / 2000 for p in (accuracy.first, accuracy.second)))
    assert (accuracy.high - accuracy.low) / 2 < 0.7 * independent


def test_intervals_of_the_bootstrap_cover_the_true_difference(make_models):
    covered = 0
    for seed in range(60):
        rmse = measure(make_models, draw_values(150, 1.0, 2 * seed + 10), draw_values(150, 0.8, 2 * seed + 11))["rmse"]
        covered += rmse.low <= -0.2 <= rmse.high
    assert covered >= 50, "of 60: 57 expected, less than 50 about once in a thousand"


def test_classes_of_different_lists_are_compared_by_their_names(make_models):
    names = ["cat", "dog", "owl", "yak"]
    first, second = draw_classes(100, 0.8, 2), draw_classes(100, 0.8, 2, classes=names)
    common = first["target"].to_numpy(zero_copy_only=False) == second["target"].to_numpy(zero_copy_only=False)
    measured = measure(make_models, first, second)
    assert list(measured) == ["accuracy", "macro_f1"], "their probabilities are of other classes"
    assert measured["accuracy"].first == first["correct"].to_numpy()[common].mean()
