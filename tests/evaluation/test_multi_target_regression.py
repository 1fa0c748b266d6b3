from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from headrace.evaluation.multi_target_regression import judge_several, keys, validate_several

RNG = np.random.default_rng(0)
TARGETS = RNG.normal([10, 5e4], [2, 1e4], (300, 2))
VALUES = TARGETS + RNG.normal(0, [1, 2e3], (300, 2))
SCALE = {"mean": [10.0, 5e4], "std": [2.0, 1e4]}
FOUND = SimpleNamespace(arrays=SimpleNamespace(targets=TARGETS.astype(np.float32)), logits=VALUES.astype(np.float32))
NAMES = ["energy", "price ($)"]


def test_figures_of_each_target_are_in_its_unit_and_those_of_all_in_standard_deviations():
    metrics = validate_several(FOUND, NAMES, SCALE).metrics
    for place, key in enumerate(["energy", "price"]):
        pair = TARGETS[:, place], VALUES[:, place]
        assert metrics[f"rmse_{key}"] == pytest.approx(root_mean_squared_error(*pair), rel=1e-4)
        assert metrics[f"mae_{key}"] == pytest.approx(mean_absolute_error(*pair), rel=1e-4)
        assert metrics[f"r2_{key}"] == pytest.approx(r2_score(*pair), rel=1e-4)
        assert np.mean(np.abs(VALUES - TARGETS)[:, place] <= metrics[f"interval_90_{key}"]) == pytest.approx(
            0.9, abs=0.01
        )
    scaled = (VALUES - TARGETS) / SCALE["std"]
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.square(scaled).mean()), rel=1e-4)
    assert metrics["rmse_low"] < metrics["rmse"] < metrics["rmse_high"]
    assert metrics["mae"] == pytest.approx(np.abs(scaled).mean(), rel=1e-4)
    assert metrics["r2"] == pytest.approx(r2_score(TARGETS, VALUES), rel=1e-4)


def test_judgement_tells_coverage_and_every_row():
    judged = judge_several(FOUND, NAMES, {}, scale=SCALE, intervals=[1e9, 0.0], seed=0)
    assert judged.metrics["coverage_90"] == 0.5
    assert set(judged.predictions) == {
        "target energy", "predicted energy", "target price ($)", "predicted price ($)", "error"
    }  # fmt: skip
    assert [row[0] for row in judged.reports["per_target"].rows] == NAMES
    assert {row.slice for row in judged.reports["slices"].rows} == {
        f"{name}={third}" for name in NAMES for third in ("low", "middle", "high")
    }


def test_keys_of_names_that_look_alike_differ():
    assert keys(["a b", "a_b", "$", "%"]) == ["a_b", "a_b_2", "_3", "_4"]
