"""Comparison against hand-computed intervals."""

from math import sqrt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headrace.evaluation.comparison import (
    Z_95_ONE_SIDED,
    compare_errors_paired,
    compare_errors_unpaired,
    compare_paired,
    compare_prediction_files,
    compare_unpaired,
)


def outcomes(both, champion_only, challenger_only, neither):
    counts = [both, champion_only, challenger_only, neither]
    champion = np.repeat([True, True, False, False], counts)
    challenger = np.repeat([True, False, True, False], counts)
    return champion, challenger


def test_compare_paired_matches_the_textbook_example():
    # Agresti, Categorical Data Analysis, table 11.1: approval of 1,600 people asked twice (794, 150, 86, 570)
    comparison = compare_paired(*outcomes(794, 150, 86, 570))
    assert comparison.difference == pytest.approx(0.04, abs=1e-12)
    error = (comparison.upper_bound - comparison.difference) / Z_95_ONE_SIDED
    assert error == pytest.approx(0.0095, abs=5e-5)
    assert comparison.num_rows == 1600


def test_compare_paired_of_equal_models_is_not_worse_at_any_margin():
    comparison = compare_paired(*outcomes(90, 0, 0, 10))
    assert comparison.upper_bound == 0
    assert comparison.is_not_worse(0.0)


def test_compare_paired_rules_out_a_loss_only_with_many_rows():
    assert not compare_paired(*outcomes(8, 1, 1, 0)).is_not_worse(0.01)
    assert compare_paired(*outcomes(9000, 10, 10, 100)).is_not_worse(0.01)


def test_compare_unpaired_matches_two_independent_proportions():
    comparison = compare_unpaired(np.repeat([True, False], [90, 10]), np.repeat([True, False], [160, 40]))
    assert comparison.difference == pytest.approx(0.1)
    assert comparison.upper_bound == pytest.approx(0.1 + 1.6449 * sqrt(0.9 * 0.1 / 100 + 0.8 * 0.2 / 200))
    assert comparison.num_rows == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_compare_paired_bound_is_not_below_the_difference(pairs):
    champion, challenger = (np.array(column) for column in zip(*pairs, strict=True))
    comparison = compare_paired(champion, challenger)
    assert -1 <= comparison.difference <= comparison.upper_bound


def errors(seed, scale):
    return np.random.default_rng(seed).normal(0, scale, 300)


def test_compare_errors_paired_matches_scipy():
    champion, challenger = errors(0, 2.0), errors(0, 2.0) + errors(1, 0.5)
    comparison = compare_errors_paired(champion, challenger)
    reference = stats.ttest_rel(np.abs(challenger), np.abs(champion))
    scale = np.abs(champion).mean()
    assert comparison.difference * scale == pytest.approx(np.mean(np.abs(challenger) - np.abs(champion)))
    error = (comparison.upper_bound - comparison.difference) * scale / Z_95_ONE_SIDED
    assert comparison.difference * scale / error == pytest.approx(reference.statistic)
    assert comparison.num_rows == 300


def test_compare_errors_unpaired_matches_scipy():
    champion, challenger = errors(0, 2.0), errors(1, 2.5)[:200]
    comparison = compare_errors_unpaired(champion, challenger)
    reference = stats.ttest_ind(np.abs(challenger), np.abs(champion), equal_var=False)
    assert comparison.difference / (comparison.upper_bound - comparison.difference) * Z_95_ONE_SIDED == pytest.approx(
        reference.statistic
    )
    assert comparison.num_rows == 0


def test_compare_errors_paired_does_not_depend_on_the_unit():
    champion, challenger = errors(0, 2.0), errors(1, 2.0)
    assert compare_errors_paired(champion * 1000, challenger * 1000) == pytest.approx(
        compare_errors_paired(champion, challenger)
    )


def test_compare_errors_paired_detects_larger_errors():
    champion = errors(0, 2.0)
    assert not compare_errors_paired(champion, champion * 1.2).is_not_worse(0.01)
    assert compare_errors_paired(champion, champion * 0.8).is_not_worse(0.0)
    assert compare_errors_paired(champion, -champion).upper_bound == 0


def test_compare_errors_paired_of_one_row_or_a_perfect_champion_rules_nothing_out():
    assert not compare_errors_paired(np.array([1.0]), np.array([0.5])).is_not_worse(0.9)
    perfect = np.zeros(5)
    assert compare_errors_paired(perfect, perfect).is_not_worse(0.0)
    assert not compare_errors_paired(perfect, perfect + 0.1).is_not_worse(0.9)


def test_compare_prediction_files_pairs_by_row(tmp_path):
    def write(name, rows):
        pq.write_table(pa.table({"row_id": list(rows), "correct": list(rows.values())}), tmp_path / name)
        return tmp_path / name

    champion = write("a", {"x": True, "y": True, "z": False, "w": True})
    challenger = write("b", {"y": True, "x": False, "w": True, "v": True})
    comparison = compare_prediction_files(champion, challenger)
    assert comparison.num_rows == 3
    assert comparison.difference == pytest.approx(1 / 3)
    unpaired = compare_prediction_files(champion, write("c", {"q": True, "r": False}))
    assert unpaired.num_rows == 0
    assert unpaired.difference == pytest.approx(0.25)


def test_compare_prediction_files_of_different_tasks_only_warns(tmp_path, caplog):
    pq.write_table(pa.table({"row_id": ["x"], "correct": [True]}), tmp_path / "champion")
    pq.write_table(pa.table({"row_id": ["x", "y"], "error": [0.5, -2.0]}), tmp_path / "challenger")
    assert compare_prediction_files(tmp_path / "champion", tmp_path / "challenger") is None
    assert "has another task (no column error)" in caplog.text
    assert compare_prediction_files(tmp_path / "challenger", tmp_path / "challenger").upper_bound == 0
