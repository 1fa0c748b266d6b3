"""Suspected label errors: planted ones are found, whatever the order of the rows."""

import numpy as np

from headrace.cleaning.suspects import Suspect, suspects
from tests.drawn import row_id

OPTIONS = {"max_rows": 20_000, "folds": 5}
PLANTED = [5, 40, 77]


def columns():
    """120 rows of three classes far apart; the labels of PLANTED are those of another."""
    rng = np.random.default_rng(0)
    kinds = np.arange(120) % 3
    features = (rng.normal(size=(120, 4)) + 9 * np.eye(3, 4)[kinds]).astype(np.float32)
    labels = [("dog", "cat", "bird")[kind] for kind in kinds]
    for row in PLANTED:
        labels[row] = ("cat", "bird", "dog")[kinds[row]]
    return labels, features, [row_id(row).encode() for row in range(120)]


def found(make_facts, order=None, is_left=None, options=OPTIONS):
    labels, features, ids = columns()
    order = np.arange(120) if order is None else order
    facts = make_facts([labels[row] for row in order], features=features[order], row_ids=[ids[row] for row in order])
    left = np.ones(120, bool) if is_left is None else is_left
    return {(int(order[one.row]), one.label, one.suggested) for one in suspects(facts, left, options)}


def test_planted_labels_are_found_with_the_right_ones(make_facts):
    assert found(make_facts) == {(5, "dog", "bird"), (40, "bird", "cat"), (77, "dog", "bird")}


def test_the_order_of_rows_makes_no_difference(make_facts):
    order = np.random.default_rng(1).permutation(120)
    assert found(make_facts, order) == found(make_facts) != set()


def test_rows_that_left_are_not_looked_at(make_facts):
    is_left = np.arange(120) != 40
    assert {row for row, _, _ in found(make_facts, is_left=is_left)} == {5, 77}


def test_a_sample_is_the_same_for_ever(make_facts):
    few = OPTIONS | {"max_rows": 60}
    sample = sorted(range(120), key=row_id)[:60]
    told = found(make_facts, options=few)
    assert told == found(make_facts, np.random.default_rng(2).permutation(120), options=few)
    assert {row for row, _, _ in told} <= set(sample)


def test_without_labels_or_features_there_are_none(make_facts):
    facts = make_facts([None, None], features=np.ones((2, 3), np.float32))
    assert suspects(facts, np.ones(2, bool), OPTIONS) == []
    facts = make_facts(["a", "b"], features=np.empty((2, 0), np.float32))
    assert suspects(facts, np.ones(2, bool), OPTIONS) == []


def test_finding_says_both_labels():
    assert Suspect(3, "cat", "dog").finding() == (3, "label_error", "labelled 'cat', looks like 'dog'")
