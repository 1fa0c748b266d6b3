"""Suspected label errors: planted ones are found, whatever the order of the rows."""

import numpy as np
import pytest

from headrace.data.cleaning.label_errors import Suspect, label_errors, suspects
from tests.drawn import row_id

CLASSES = 4


def blobs(number: int, seed: int = 0, distance: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Features `[number, 10]` of clouds about a point a class, and the classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, number)
    centres = np.eye(10)[:CLASSES] * distance
    return (centres[labels] + rng.normal(size=(number, 10))).astype(np.float32), labels


def flipped(labels: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Some labels made wrong, and which."""
    rows = np.random.default_rng(1).choice(len(labels), number, replace=False)
    wrong = labels.copy()
    wrong[rows] = (wrong[rows] + 1) % CLASSES
    return wrong, np.sort(rows)


def test_label_errors_finds_wrong_labels_and_tells_the_right_ones() -> None:
    features, labels = blobs(800)
    wrong, rows = flipped(labels, 30)
    found, suggested = label_errors(features, wrong, max_rows=10_000, folds=5)
    assert len(np.intersect1d(found, rows)) >= 25
    assert len(np.setdiff1d(found, rows)) <= 4
    assert (suggested == labels[found])[np.isin(found, rows)].all()
    assert (suggested != wrong[found]).all()
    assert (np.diff(found) > 0).all()


def test_label_errors_doubts_little_where_it_knows_little() -> None:
    features, labels = blobs(800, distance=1.0)
    found, _ = label_errors(features, labels, max_rows=10_000, folds=5)
    assert len(found) <= 16


def test_label_errors_are_the_same_again() -> None:
    features, labels = blobs(600)
    wrong, _ = flipped(labels, 30)
    first, second = (label_errors(features, wrong, max_rows=400, folds=4, seed=3) for _ in range(2))
    assert len(first[0])
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_label_errors_looks_at_a_sample() -> None:
    features, labels = blobs(1600)
    wrong, rows = flipped(labels, 80)
    found, _ = label_errors(features, wrong, max_rows=800, folds=5)
    hits = len(np.intersect1d(found, rows))
    assert 25 <= hits <= 55  # about half of them are in the sample


def test_label_errors_leaves_out_unusable_rows_and_small_classes() -> None:
    features, labels = blobs(600)
    wrong, rows = flipped(labels, 20)
    features[:100] = np.nan
    features[150, 3] = np.inf
    wrong[200:203] = 17  # three rows of a class, fewer than folds
    found, suggested = label_errors(features, wrong, max_rows=10_000, folds=5)
    looked_at = np.setdiff1d(rows[rows >= 100], [150, 200, 201, 202])
    assert len(np.intersect1d(found, looked_at)) >= len(looked_at) - 2
    assert found.min() >= 100
    assert not np.isin([150, 200, 201, 202], found).any()
    assert suggested.max() < CLASSES


@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (np.empty((0, 3), np.float32), np.empty(0, np.int64)),
        (np.empty((5, 0), np.float32), np.array([0, 0, 1, 1, 1])),
        (np.ones((6, 2), np.float32), np.zeros(6, np.int64)),  # one class
        (np.ones((4, 2), np.float32), np.array([0, 0, 1, 1])),  # classes smaller than folds
        (np.full((20, 2), np.nan, np.float32), np.arange(20) % 2),
    ],
)
def test_label_errors_of_too_little_are_none(features: np.ndarray, labels: np.ndarray) -> None:
    found, suggested = label_errors(features, labels, max_rows=100, folds=5)
    assert len(found) == len(suggested) == 0


def test_label_errors_of_features_that_say_nothing_are_none() -> None:
    labels = np.arange(40) % 2
    found, _ = label_errors(np.ones((40, 3), np.float32), labels, max_rows=100, folds=5)
    assert len(found) == 0


def test_label_errors_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    features, labels = blobs(200)
    label_errors(features, labels, max_rows=100, folds=3)
    assert capfd.readouterr() == ("", "")


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
