import numpy as np

from headrace.explanation.selection import pick_examples, pick_values

CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.95, 0.4])
CORRECT = np.array([True, False, True, False, True, True, False])


def test_examples_are_surest_mistakes_least_sure_and_other_right_ones() -> None:
    groups = pick_examples(CONFIDENCE, CORRECT, num_examples=5, seed=0)
    assert groups["wrong"].tolist() == [1, 3]
    assert groups["unsure"].tolist() == [4, 2]
    assert len(groups["right"]) == 1
    assert groups["right"][0] in {0, 5}


def test_examples_of_a_model_that_is_never_wrong_or_never_right() -> None:
    never_wrong = pick_examples(CONFIDENCE, np.ones(7, bool), num_examples=30, seed=0)
    assert len(never_wrong["wrong"]) == 0
    rows = np.concatenate(list(never_wrong.values()))
    assert sorted(rows.tolist()) == list(range(7))
    never_right = pick_examples(CONFIDENCE, np.zeros(7, bool), num_examples=6, seed=0)
    assert [len(rows) for rows in never_right.values()] == [2, 0, 0]


def test_no_examples_asked_none_given() -> None:
    assert all(len(rows) == 0 for rows in pick_examples(CONFIDENCE, CORRECT, num_examples=0, seed=0).values())


def test_values_are_largest_errors_extremes_and_others() -> None:
    values = np.array([5.0, 5.1, 4.9, 90.0, 5.2, 4.8, -60.0, 5.0])
    errors = np.array([0.1, -9.0, 0.2, 0.3, 8.0, 0.1, 0.2, 0.0])
    groups = pick_values(values, errors, num_examples=7, seed=0)
    assert groups["furthest"].tolist() == [1, 4, 3]
    assert groups["extreme"].tolist() == [6, 5]
    assert set(groups["others"].tolist()) < {0, 2, 7}
    assert len(groups["others"]) == 2


def test_values_of_few_rows_are_each_shown_once() -> None:
    groups = pick_values(np.arange(4.0), np.ones(4), num_examples=30, seed=0)
    assert sorted(np.concatenate(list(groups.values())).tolist()) == [0, 1, 2, 3]
