import doctest
import json
import logging
from typing import Any

import numpy as np
import pytest

from headrace.errors import DataError
from headrace.evaluation.baselines import compare
from headrace.evaluation.baselines.cache import FittedBaseline, find_folder, write_fitted, write_skipped
from headrace.evaluation.baselines.compare import (
    REPORT,
    compare_on_validation,
    compare_with_validated,
    describe,
)
from headrace.evaluation.baselines.process import BaselineLimits
from headrace.evaluation.comparison import difference_interval
from headrace.evaluation.predictions import Predictions
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import write_json
from headrace.storage.bundle import read_bundle

LIMITS = BaselineLimits(seconds=60, rows=1000)
TABLE = pytest.mark.parametrize("project", [("table", "classification")], indirect=True)
RNG = np.random.default_rng(0)


def predict(paths: Paths, split: str, share_right: float = 1.0) -> Predictions:
    """Predictions of which about `share_right` are right."""
    arrays, bundle = open_arrays(paths.normalized_dir / split), read_bundle(paths.trained_dir)
    is_right = RNG.random(len(arrays)) < share_right
    logits = np.eye(2, dtype=np.float32)[np.where(is_right, arrays.targets, 1 - arrays.targets)] * 9
    return Predictions(arrays, logits, lambda inputs: logits, bundle.spec, bundle.card.transform)


def cache_right(paths: Paths, **shares: float) -> None:
    """Caches baselines of which about these shares of the answers are right."""
    for name, share in shares.items():
        outputs = {split: predict(paths, split, share).logits for split in ("val", "test")}
        write_fitted(find_folder(paths, LIMITS.rows), name, FittedBaseline(outputs, 0.5, 400))


@TABLE
def test_the_best_on_validation_rows_is_compared_on_test_rows_too(project: Paths) -> None:
    cache_right(project, prior=0.5, linear=0.8, boosting=0.95)
    val, test = predict(project, "val", 0.8), predict(project, "test", 0.8)
    validated = compare_on_validation(project, LIMITS, val, {})
    write_json(project.report_dir("validate") / REPORT, validated.report)
    tested = compare_with_validated(project, test, {}, split="test")
    for comparison, predictions, split in ((validated, val, "val"), (tested, test, "test")):
        report, metrics = comparison.report, comparison.metrics
        assert (report["metric"], report["best"]) == ("accuracy", "boosting")
        best = next(entry for entry in report["baselines"] if entry["short_name"] == "boosting")
        folder = find_folder(project, LIMITS.rows)
        with np.load(folder / "boosting.npz") as arrays:
            own = arrays[split].argmax(axis=1) == predictions.arrays.targets
        expected = difference_interval(predictions.correct.astype(float), own.astype(float))
        assert (best["difference"], best["difference_low"], best["difference_high"]) == pytest.approx(expected)
        assert metrics["baseline_best"] == metrics["baseline_boosting"] == best["value"] == own.mean()
        assert best["low"] < best["value"] < best["high"]
        assert report["model"] == predictions.correct.mean()
        assert metrics["over_baseline"] == pytest.approx(report["model"] - best["value"])
        assert metrics["over_baseline_high"] < 0
        assert metrics["over_prior"] == pytest.approx(report["model"] - metrics["baseline_prior"])
        assert 0 < metrics["over_prior_low"] < metrics["over_prior"] < metrics["over_prior_high"]
        assert comparison.remark.startswith("gradient boosting is better than the network by ")
        json.dumps(report, allow_nan=False)


@TABLE
def test_a_better_network_needs_no_remark(project: Paths) -> None:
    cache_right(project, prior=0.5, linear=0.6, boosting=0.6)
    comparison = compare_on_validation(project, LIMITS, predict(project, "val"), {})
    assert comparison.metrics["over_baseline_low"] > 0.2
    assert comparison.remark == ""
    assert comparison.report["sentence"].startswith("the network is better than the best baseline, ")


@TABLE
def test_skipped_ones_say_why_and_have_no_values(project: Paths) -> None:
    cache_right(project, prior=0.5, linear=0.9)
    write_skipped(find_folder(project, LIMITS.rows), "boosting", "too slow", 60)
    val = predict(project, "val", 0.9)
    validated = compare_on_validation(project, LIMITS, val, {})
    write_json(project.report_dir("validate") / REPORT, validated.report)
    for comparison in (validated, compare_with_validated(project, val, {}, split="val")):
        entry = comparison.report["baselines"][2]
        assert (entry["name"], entry["skipped"], entry["value"]) == ("gradient boosting", "too slow", None)
        assert "baseline_boosting" not in comparison.metrics
        assert comparison.report["best"] == "linear"


@TABLE
def test_without_baselines_there_are_no_metrics_and_no_remark(project: Paths) -> None:
    comparison = compare_on_validation(project, BaselineLimits(0, 1000), predict(project, "val"), {})
    assert (comparison.metrics, comparison.remark, comparison.report["baselines"]) == ({}, "", [])


@TABLE
@pytest.mark.parametrize("content", [None, "["])
def test_a_missing_or_damaged_report_of_validate_raises(project: Paths, content: str | None) -> None:
    path = project.report_dir("validate") / REPORT
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    with pytest.raises(DataError, match=r"validate/baselines\.json: (no such file|not JSON).*dvc repro"):
        compare_with_validated(project, predict(project, "test"), {}, split="test")


@TABLE
def test_labels_have_thresholds_from_validation_rows(project: Paths) -> None:
    """Each label is twice as likely where it is present, so that a threshold of 1/2 would predict none."""
    val = predict(project, "val")
    flags = np.stack([val.arrays.targets == 0, val.arrays.targets == 1], axis=1)
    spec = val.spec.model_copy(update={"task": "multilabel"})
    logits = np.where(flags, -2.0, -3.0).astype(np.float32)
    outputs = {"val": logits, "test": logits}
    for name in ("prior", "linear", "boosting"):
        write_fitted(find_folder(project, LIMITS.rows), name, FittedBaseline(outputs, 0.5, 400))
    arrays = type(val.arrays)(val.arrays.inputs, flags.astype(np.float32), val.arrays.row_ids)
    predictions = Predictions(arrays, -logits, val.predict, spec, val.transform)
    comparison = compare_on_validation(project, LIMITS, predictions, {"micro_f1": 0, "threshold": 0.5})
    assert comparison.report["metric"] == "micro_f1"
    assert comparison.metrics["baseline_linear"] == 1
    threshold = comparison.report["thresholds"]["linear"]
    assert 1 / (1 + np.exp(3)) < threshold < 1 / (1 + np.exp(2))
    json.dumps(comparison.report, allow_nan=False)


def entry(low: float | None, middle: float, high: float | None) -> dict[str, Any]:
    return {"name": "ridge regression", "difference": middle, "difference_low": low, "difference_high": high}


def test_sentences() -> None:
    assert doctest.testmod(compare).failed == 0
    better = "the network is better than the best baseline, ridge regression, by 0.050 in R2 (0.010 to 0.090)"
    assert describe(entry(0.01, 0.05, 0.09), "r2") == better
    unclear = "the network is not clearly better than ridge regression: the difference is 0.1 points (-0.5 to 0.7)"
    assert describe(entry(-0.005, 0.001, 0.007), "accuracy") == f"{unclear}; see docs/baselines.md"
    assert "(? to ?)" in describe(entry(None, 0.001, None), "micro_f1")
    assert describe({}, "accuracy") == ""


@TABLE
def test_validation_of_a_damaged_cache_fits_again(project: Paths, caplog: pytest.LogCaptureFixture) -> None:
    cache_right(project, prior=0.5, linear=0.6, boosting=0.6)
    (find_folder(project, LIMITS.rows) / "prior.npz").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        comparison = compare_on_validation(project, LIMITS, predict(project, "val"), {})
    assert "prior.npz: damaged" in caplog.text
    assert comparison.metrics["baseline_prior"] > 0.4
