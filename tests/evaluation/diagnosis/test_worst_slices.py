import numpy as np
import pytest
from scipy.stats import ttest_ind

from headrace.evaluation.diagnosis.worst_slices import (
    MAX_SLICES,
    MIN_ROWS,
    correct_by_holm,
    describe_worst,
    find_worst_slices,
    make_table,
)
from headrace.evaluation.result import EvaluationResult
from headrace.evaluation.slices import SliceKey

RNG = np.random.default_rng(0)
NUM_ROWS = 2000
SEX, PLACE, NOISE = (RNG.integers(0, size, NUM_ROWS) for size in (2, 4, 5))
SLICES = {
    SliceKey(name, str(value)): values == value
    for name, values in (("sex", SEX), ("place", PLACE), ("noise", NOISE))
    for value in np.unique(values)
}


def result_of(correct):
    return EvaluationResult({}, {}, predictions={"correct": correct})


def test_find_worst_slices_finds_the_planted_pair_of_conditions():
    is_planted = (SEX == 1) & (PLACE == 2)
    correct = RNG.random(NUM_ROWS) < np.where(is_planted, 0.6, 0.95)
    worst = find_worst_slices(result_of(correct), SLICES, seed=0)
    assert worst[0].slice == "sex=1 and place=2"
    assert worst[0].rows == is_planted.sum()
    assert worst[0].value == correct[is_planted].mean() < worst[0].other_rows == correct[~is_planted].mean()
    assert worst[0].low < worst[0].value < worst[0].high
    assert worst[0].p < 1e-6
    sentence = describe_worst(worst, "accuracy")
    assert f"on the {is_planted.sum()} rows with sex=1 and place=2" in sentence
    assert "reports/test/worst_slices.csv" in sentence
    assert list(make_table(worst, "accuracy").columns)[:3] == ["slice", "rows", "accuracy"]


def test_find_worst_slices_takes_chance_for_chance():
    for seed in range(20):
        correct = np.random.default_rng(seed).random(NUM_ROWS) < 0.9
        worst = find_worst_slices(result_of(correct), SLICES, seed=0)
        assert len(worst) <= MAX_SLICES
        # one in twenty is allowed; with these seeds there is none
        assert describe_worst(worst, "accuracy") is None


def test_find_worst_slices_does_not_refine_a_condition_that_explains_all():
    correct = RNG.random(NUM_ROWS) < np.where(SEX == 1, 0.7, 0.95)
    worst = find_worst_slices(result_of(correct), SLICES, seed=0)
    assert worst[0].slice == "sex=1"
    assert worst[0].p < 1e-6


def test_find_worst_slices_of_a_regression_compares_squared_errors():
    errors = RNG.normal(0, np.where(PLACE == 3, 3.0, 1.0))
    result = EvaluationResult({}, {}, predictions={"error": errors})
    worst = find_worst_slices(result, SLICES, seed=0)[0]
    assert worst.slice == "place=3"
    assert worst.value == pytest.approx(np.sqrt(np.mean(errors[PLACE == 3] ** 2)))
    # the only slice whose test matters: the smallest p-value times the number of slices
    p = ttest_ind(errors[PLACE == 3] ** 2, errors[PLACE != 3] ** 2, equal_var=False, alternative="greater").pvalue
    num_slices = len(SLICES) + 2 * 4 + 2 * 5 + 4 * 5
    assert worst.p == pytest.approx(p * num_slices, rel=0.01)


@pytest.mark.parametrize("correct", [np.ones(NUM_ROWS, bool), np.zeros(NUM_ROWS, bool)], ids=["right", "wrong"])
def test_find_worst_slices_of_a_model_that_is_alike_everywhere_finds_none(correct):
    assert describe_worst(find_worst_slices(result_of(correct), SLICES, seed=0), "accuracy") is None


def test_find_worst_slices_without_spread_is_certain():
    worst = find_worst_slices(result_of(SEX == 0), SLICES, seed=0)
    assert worst[0].slice == "sex=1"
    assert worst[0].p < 1e-9


@pytest.mark.parametrize("num_rows", [1, MIN_ROWS])
def test_find_worst_slices_of_few_rows_finds_none(num_rows):
    slices = {key: rows[:num_rows] for key, rows in SLICES.items()}
    assert find_worst_slices(result_of(SEX[:num_rows] == 0), slices, seed=0) == []
    assert find_worst_slices(result_of(SEX[:num_rows] == 0), {}, seed=0) == []


def test_correct_by_holm_multiplies_by_the_hypotheses_that_are_left():
    assert correct_by_holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert correct_by_holm(np.array([0.9, 0.8])).max() == 1
