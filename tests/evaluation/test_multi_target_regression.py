import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from headrace.evaluation.multi_target_regression import (
    evaluate_multi_target_regression,
    metric_suffixes,
    validate_multi_target_regression,
)

RNG = np.random.default_rng(0)
TARGETS = RNG.normal([10, 5e4], [2, 1e4], (300, 2))
VALUES = TARGETS + RNG.normal(0, [1, 2e3], (300, 2))
SCALE = {"mean": [10.0, 5e4], "std": [2.0, 1e4]}
NAMES = ["energy", "price ($)"]


@pytest.fixture
def predictions(make_predictions):
    return make_predictions(
        VALUES, TARGETS.astype(np.float32), task="regression", targets=NAMES, transform={"target": SCALE}
    )


def test_metrics_of_a_target_are_in_its_unit_and_of_all_targets_in_standard_deviations(predictions):
    metrics = validate_multi_target_regression(predictions, 0.99).metrics
    for index, suffix in enumerate(["energy", "price"]):
        pair = TARGETS[:, index], VALUES[:, index]
        assert metrics[f"rmse_{suffix}"] == pytest.approx(root_mean_squared_error(*pair), rel=1e-4)
        assert metrics[f"mae_{suffix}"] == pytest.approx(mean_absolute_error(*pair), rel=1e-4)
        assert metrics[f"r2_{suffix}"] == pytest.approx(r2_score(*pair), rel=1e-4)
        is_inside = np.abs(VALUES - TARGETS)[:, index] <= metrics[f"interval_90_{suffix}"]
        assert np.mean(is_inside) == pytest.approx(0.9, abs=0.01)
    scaled = (VALUES - TARGETS) / SCALE["std"]
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.square(scaled).mean()), rel=1e-4)
    assert metrics["rmse_low"] < metrics["rmse"] < metrics["rmse_high"]
    assert metrics["mae"] == pytest.approx(np.abs(scaled).mean(), rel=1e-4)
    assert metrics["r2"] == pytest.approx(r2_score(TARGETS, VALUES), rel=1e-4)


def test_evaluate_reports_coverage_thirds_and_every_row(predictions):
    validated = {"interval_90_energy": 1e9, "interval_90_price": 0.0}
    result = evaluate_multi_target_regression(predictions, {}, validated.__getitem__, 0)
    assert result.metrics["coverage_90"] == 0.5
    assert set(result.predictions) == {
        "target energy", "predicted energy", "target price ($)", "predicted price ($)", "error"
    }  # fmt: skip
    assert [row[0] for row in result.reports["per_target"].rows] == NAMES
    assert {f"{row.column}={row.value}" for row in result.reports["slices"].rows} == {
        f"{name}={third}" for name in NAMES for third in ("low", "middle", "high")
    }


def test_metric_suffixes_of_similar_names_differ():
    assert metric_suffixes(["a b", "a_b", "$", "%"]) == ["a_b", "a_b_2", "_3", "_4"]
    assert metric_suffixes(["a", "a_3", "a"]) == ["a", "a_3", "a_4"]
    assert metric_suffixes(["low", "price high", "lowest"]) == ["low_target", "price_high_target", "lowest"]
