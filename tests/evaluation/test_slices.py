import numpy as np
import pytest

from headrace.evaluation import slices


def test_measure_slices_sorts_by_accuracy_and_omits_empty_slices() -> None:
    targets = np.array([0, 0, 1, 1])
    parts = slices.class_slices(targets, ["cat", "dog", "cow"])
    measured = slices.measure_slices(np.array([True, True, True, False]), parts)
    assert [(part.column, part.value, part.rows, part.accuracy) for part in measured] == [
        ("class", "dog", 2, 0.5),
        ("class", "cat", 2, 1.0),
    ]
    assert measured[0].accuracy_low < 0.5 < measured[0].accuracy_high


def test_tercile_slices_are_thirds() -> None:
    values = np.random.default_rng(0).permutation(300).astype(float)
    parts = slices.tercile_slices("brightness", values)
    assert {str(key): int(rows.sum()) for key, rows in parts.items()} == {
        "brightness=low": 100, "brightness=middle": 100, "brightness=high": 100,
    }  # fmt: skip
    assert values[parts["brightness", "low"]].max() < values[parts["brightness", "high"]].min()


def test_tercile_slices_of_equal_values_hold_every_row_once() -> None:
    parts = slices.tercile_slices("brightness", np.full(10, 7.0))
    assert sum(int(rows.sum()) for rows in parts.values()) == 10


def test_mean_by_row_in_parts_matches_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "ROWS_PER_MEAN", 3)
    inputs = np.random.default_rng(0).integers(0, 256, (10, 4, 5, 3), dtype=np.uint8)
    assert slices.mean_by_row(inputs) == pytest.approx(inputs.mean(axis=(1, 2, 3)))


def test_measure_error_slices_sorts_by_error_and_omits_empty_slices() -> None:
    errors = np.array([3.0, -3.0, 1.0, 1.0, -1.0])
    parts = {("x", "a"): np.arange(5) >= 2, ("x", "b"): np.arange(5) < 2, ("x", "none"): np.zeros(5, bool)}
    measured = slices.measure_error_slices(errors, parts, seed=0)
    assert [(part.value, part.rows, part.rmse) for part in measured] == [("b", 2, 3.0), ("a", 3, 1.0)]
    assert measured[0].rmse_low <= 3 <= measured[0].rmse_high


def test_tercile_slices_omit_nan() -> None:
    parts = slices.tercile_slices("x", np.array([1.0, np.nan, 2.0, 3.0]))
    assert [rows.tolist() for rows in parts.values()] == [
        [True, False, False, False], [False, False, True, False], [False, False, False, True],
    ]  # fmt: skip


def test_measure_losses_gives_accuracy_or_rmse_with_its_interval() -> None:
    value, low, high = slices.measure_losses(np.array([0.0, 0.0, 1.0, 0.5]), "accuracy", seed=0)
    assert low < value == 0.625 < high
    value, low, high = slices.measure_losses(np.array([9.0, 1.0, 4.0, 16.0]), "rmse", seed=0)
    assert value == pytest.approx(7.5**0.5)
    assert low < value < high
