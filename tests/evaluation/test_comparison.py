"""Comparison against hand-computed intervals."""

from math import sqrt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headrace.errors import DataError
from headrace.evaluation.comparison import (
    Z_95_ONE_SIDED,
    Comparison,
    compare_errors_paired,
    compare_errors_unpaired,
    compare_outcomes,
    compare_paired,
    compare_unpaired,
    proportion_difference_interval,
    read_outcomes,
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


def test_compare_outcomes_pairs_by_row():
    def make(rows):
        return pa.table({"row_id": list(rows), "correct": list(rows.values())})

    champion = make({"x": True, "y": True, "z": False, "w": True})
    challenger = make({"y": True, "x": False, "w": True, "v": True})
    comparison = compare_outcomes(champion, challenger)
    assert comparison.num_rows == 3
    assert comparison.difference == pytest.approx(1 / 3)
    unpaired = compare_outcomes(champion, make({"q": True, "r": False}))
    assert unpaired.num_rows == 0
    assert unpaired.difference == pytest.approx(0.25)


def test_outcomes_of_different_tasks_are_not_compared():
    classes = pa.table({"row_id": ["x"], "correct": [True]})
    errors_ = pa.table({"row_id": ["x", "y"], "error": [0.5, -2.0]})
    assert compare_outcomes(classes, errors_) is None
    assert compare_outcomes(errors_, errors_).upper_bound == 0


def test_outcomes_are_read_from_a_table_of_predictions(tmp_path):
    pq.write_table(pa.table({"row_id": ["x"], "target": ["a"], "correct": [True]}), tmp_path / "a.parquet")
    assert read_outcomes(tmp_path / "a.parquet").to_pydict() == {"row_id": ["x"], "correct": [True]}
    pq.write_table(pa.table({"row_id": ["x"]}), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    for name in ("b", "c"):
        with pytest.raises(DataError, match=f"{name}.parquet: "):
            read_outcomes(tmp_path / f"{name}.parquet")


@pytest.mark.parametrize(
    ("difference", "bound", "verdict"),
    [(0.0, 0.01, "not worse"), (-0.2, 0.02, "too few rows"), (0.005, 0.02, "too few rows"), (0.02, 0.03, "worse")],
)
def test_verdict_is_in_words(difference, bound, verdict):
    assert Comparison(difference, bound, 9).judge(0.01) == verdict


def test_interval_of_two_shares_holds_also_for_few_rows_that_differ():
    rng = np.random.default_rng(0)
    for only_first, only_second, num_rows in ((0.05, 0.02, 40), (0.01, 0.01, 60), (0.2, 0.1, 100)):
        kinds = rng.choice(3, (2000, num_rows), p=[only_first, only_second, 1 - only_first - only_second])
        ends = [proportion_difference_interval(row == 0, row == 1)[1:] for row in kinds]
        covered = np.mean([low <= only_first - only_second <= high for low, high in ends])
        assert covered > 0.93, (only_first, only_second, num_rows)


def test_interval_of_two_shares_is_that_of_the_mean_for_many_rows():
    first, second = outcomes(7000, 900, 700, 1400)
    difference, low, high = proportion_difference_interval(first, second)
    assert difference == pytest.approx(0.02)
    values = first.astype(float) - second
    slack = 1.96 * values.std() / 100
    assert (low, high) == pytest.approx((0.02 - slack, 0.02 + slack), abs=1e-5)
    same = proportion_difference_interval(first, first)
    assert same[0] == 0
    assert same[1] < 0 < same[2] < 0.0005, "no row differs of 10,000: little is possible, but not nothing"
