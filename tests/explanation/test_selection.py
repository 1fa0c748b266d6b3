import numpy as np

from pipeline.explanation.selection import class_means, pick_examples

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


def test_class_means_are_of_the_classes_that_occur() -> None:
    maps = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    means = class_means(maps, np.array([2, 0, 2]), 4)
    assert list(means) == [0, 2]
    assert means[2].tolist() == [[4, 5], [6, 7]]
