import numpy as np
import pytest

from headrace.evaluation.regression import evaluate_regression, validate_regression
from headrace.evaluation.slices import SliceKey

RNG = np.random.default_rng(0)
TARGETS = RNG.normal(100, 20, 150)
ERRORS = RNG.normal(0, 3, 150)


@pytest.fixture
def predictions(make_predictions):
    return make_predictions((TARGETS + ERRORS)[:, None], TARGETS, task="regression")


def test_validate_regression_fits_an_interval_of_90_percent(predictions):
    metrics = validate_regression(predictions, 0.99).metrics
    assert metrics["rmse"] == pytest.approx(np.sqrt((ERRORS**2).mean()), rel=1e-5)
    assert metrics["rmse_low"] < metrics["rmse"] < metrics["rmse_high"]
    assert (np.abs(ERRORS) <= metrics["interval_90"] + 1e-5).sum() == 136  # ceil(0.9 * 151)


def test_evaluate_regression_reports_coverage_thirds_and_every_row(predictions):
    result = evaluate_regression(
        predictions, {SliceKey("row", "all"): np.ones(150, bool)}, {"interval_90": 2.0}.__getitem__, 0
    )
    assert result.metrics["coverage_90"] == np.mean(np.abs(ERRORS) <= 2)
    slices = {f"{part.column}={part.value}": part.rmse for part in result.reports["slices"].rows}
    assert set(slices) == {"target=low", "target=middle", "target=high", "row=all"}
    assert slices["row=all"] == result.metrics["rmse"]
    assert result.metrics["worst_slice_rmse"] == max(slices.values())
    assert result.predictions["error"] == pytest.approx(ERRORS, abs=1e-4)
