"""Metrics of subsets of the rows: the same as `validate` reports for all, with intervals that cover the truth."""

from typing import Any

import numpy as np
import pytest

from headrace.evaluation.evaluators import find_evaluator
from headrace.evaluation.gates.bounds import VALIDATION_METRICS
from headrace.evaluation.gates.metric_intervals import bootstrap_interval, find_measures

RNG = np.random.default_rng(0)
NUM_ROWS = 120
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "classification": (RNG.normal(size=(NUM_ROWS, 3)), RNG.integers(0, 3, NUM_ROWS), {"classes": ["a", "b", "c"]}),
    "multilabel": (
        RNG.normal(size=(NUM_ROWS, 3)),
        (RNG.random((NUM_ROWS, 3)) < 0.4).astype(np.float32),
        {"classes": ["a", "b", "c"]},
    ),
    "regression": (RNG.normal(size=(NUM_ROWS, 1)), RNG.normal(size=NUM_ROWS).astype(np.float32), {}),
    "several": (
        RNG.normal(size=(NUM_ROWS, 2)),
        RNG.normal(size=(NUM_ROWS, 2)).astype(np.float32),
        {"targets": ["price", "area (m2)"], "transform": {"target": {"mean": [0.5, 0.0], "std": [2.0, 3.0]}}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_measures_of_all_rows_are_the_metrics_of_validate(make_predictions: Any, case: str) -> None:
    outputs, targets, fields = CASES[case]
    task = "regression" if case == "several" else case
    predictions = make_predictions(outputs, targets, task=task, **fields)
    metrics = find_evaluator(predictions.spec).validate(predictions, 0.9).metrics
    measures, rows = find_measures(predictions, metrics), np.arange(NUM_ROWS)
    assert {name: measure.value(rows) for name, measure in measures.items()} == pytest.approx(
        {name: metrics[name] for name in measures}
    )
    assert set(VALIDATION_METRICS[task].with_interval) <= measures.keys()
    assert ("rmse_area_m2" in measures) == (case == "several")
    for name, measure in measures.items():
        low, high = measure.interval(rows)
        assert low < metrics[name] < high or name == "ece", name  # resampling adds to a calibration error
        if f"{name}_low" in metrics:
            reported = metrics[f"{name}_low"], metrics[f"{name}_high"]  # its bootstrap has other draws
            assert (low, high) == pytest.approx(reported, abs=0.25 * (high - low)), name


def test_bootstrap_interval_covers_a_mean_as_often_as_it_says() -> None:
    rng, rows = np.random.default_rng(1), np.arange(80)
    covered = 0
    for seed in range(60):
        values = rng.normal(size=80)
        low, high = bootstrap_interval(lambda chosen, values=values: float(values[chosen].mean()), rows, seed=seed)
        covered += low <= 0 <= high
    assert 51 <= covered <= 60  # 57 of 60 are expected


def test_bootstrap_interval_depends_on_the_seed_alone() -> None:
    def statistic(rows: Any) -> float:
        return float(rows.mean())

    rows = np.arange(50)
    assert bootstrap_interval(statistic, rows) == bootstrap_interval(statistic, rows)
    assert bootstrap_interval(statistic, rows) != bootstrap_interval(statistic, rows, seed=1)
