"""Suspected label errors: finds planted ones, whatever the order of the rows."""

import numpy as np
import pytest

from headrace.contracts import Finding
from headrace.data.cleaning.label_errors import Suspect, find_label_errors, find_suspects
from tests.drawn import row_id

CLASSES = 4


def blobs(number: int, seed: int = 0, distance: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Features `[number, 10]` of clouds around one point for each class, and the classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, number)
    centres = np.eye(10)[:CLASSES] * distance
    return (centres[labels] + rng.normal(size=(number, 10))).astype(np.float32), labels


def flipped(labels: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which some are wrong, and the rows that are."""
    rows = np.random.default_rng(1).choice(len(labels), number, replace=False)
    wrong = labels.copy()
    wrong[rows] = (wrong[rows] + 1) % CLASSES
    return wrong, np.sort(rows)


def test_wrong_labels_are_found_with_the_right_ones() -> None:
    features, labels = blobs(800)
    wrong, rows = flipped(labels, 30)
    doubted, suggested = find_label_errors(features, wrong, max_rows=10_000, folds=5)
    assert len(np.intersect1d(doubted, rows)) >= 25
    assert len(np.setdiff1d(doubted, rows)) <= 4
    assert (suggested == labels[doubted])[np.isin(doubted, rows)].all()
    assert (suggested != wrong[doubted]).all()
    assert (np.diff(doubted) > 0).all()


def test_few_labels_are_doubted_where_classes_overlap() -> None:
    features, labels = blobs(800, distance=1.0)
    doubted, _ = find_label_errors(features, labels, max_rows=10_000, folds=5)
    assert len(doubted) <= 16


def test_same_seed_finds_the_same_label_errors() -> None:
    features, labels = blobs(600)
    wrong, _ = flipped(labels, 30)
    first, second = (find_label_errors(features, wrong, max_rows=400, folds=4, seed=3) for _ in range(2))
    assert len(first[0])
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_label_errors_of_a_sample() -> None:
    features, labels = blobs(1600)
    wrong, rows = flipped(labels, 80)
    doubted, _ = find_label_errors(features, wrong, max_rows=800, folds=5)
    hits = len(np.intersect1d(doubted, rows))
    assert 25 <= hits <= 55  # about half of them are in the sample


def test_unusable_rows_and_small_classes_are_skipped() -> None:
    features, labels = blobs(600)
    wrong, rows = flipped(labels, 20)
    features[:100] = np.nan
    features[150, 3] = np.inf
    wrong[200:203] = 17  # three rows of a class, fewer than folds
    doubted, suggested = find_label_errors(features, wrong, max_rows=10_000, folds=5)
    usable = np.setdiff1d(rows[rows >= 100], [150, 200, 201, 202])
    assert len(np.intersect1d(doubted, usable)) >= len(usable) - 2
    assert doubted.min() >= 100
    assert not np.isin([150, 200, 201, 202], doubted).any()
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
def test_too_few_rows_or_features_have_no_label_errors(features: np.ndarray, labels: np.ndarray) -> None:
    doubted, suggested = find_label_errors(features, labels, max_rows=100, folds=5)
    assert len(doubted) == len(suggested) == 0


def test_constant_features_have_no_label_errors() -> None:
    labels = np.arange(40) % 2
    doubted, _ = find_label_errors(np.ones((40, 3), np.float32), labels, max_rows=100, folds=5)
    assert len(doubted) == 0


def test_label_errors_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    features, labels = blobs(200)
    find_label_errors(features, labels, max_rows=100, folds=3)
    assert capfd.readouterr() == ("", "")


OPTIONS = {"max_rows": 20_000, "folds": 5}
PLANTED = [5, 40, 77]


def columns():
    """120 rows of three classes far apart; the labels of PLANTED are wrong."""
    rng = np.random.default_rng(0)
    kinds = np.arange(120) % 3
    features = (rng.normal(size=(120, 4)) + 9 * np.eye(3, 4)[kinds]).astype(np.float32)
    labels = [("dog", "cat", "bird")[kind] for kind in kinds]
    for row in PLANTED:
        labels[row] = ("cat", "bird", "dog")[kinds[row]]
    return labels, features, [row_id(row).encode() for row in range(120)]


def find_planted(make_row_index, order=None, is_accepted=None, options=OPTIONS):
    labels, features, ids = columns()
    order = np.arange(120) if order is None else order
    row_index = make_row_index(
        [labels[row] for row in order], features=features[order], row_ids=[ids[row] for row in order]
    )
    accepted = np.ones(120, bool) if is_accepted is None else is_accepted
    return {
        (int(order[suspect.row]), suspect.label, suspect.suggested)
        for suspect in find_suspects(row_index, accepted, options)
    }


def test_planted_suspects_are_found_with_the_right_labels(make_row_index):
    assert find_planted(make_row_index) == {(5, "dog", "bird"), (40, "bird", "cat"), (77, "dog", "bird")}


def test_order_of_rows_makes_no_difference(make_row_index):
    order = np.random.default_rng(1).permutation(120)
    assert find_planted(make_row_index, order) == find_planted(make_row_index) != set()


def test_rejected_rows_are_not_suspects(make_row_index):
    is_accepted = np.arange(120) != 40
    assert {row for row, _, _ in find_planted(make_row_index, is_accepted=is_accepted)} == {5, 77}


def test_sample_does_not_depend_on_the_order_of_rows(make_row_index):
    few = OPTIONS | {"max_rows": 60}
    sample = sorted(range(120), key=row_id)[:60]
    sampled = find_planted(make_row_index, options=few)
    assert sampled == find_planted(make_row_index, np.random.default_rng(2).permutation(120), options=few)
    assert {row for row, _, _ in sampled} <= set(sample)


def test_rows_without_labels_or_features_have_no_suspects(make_row_index):
    row_index = make_row_index([None, None], features=np.ones((2, 3), np.float32))
    assert find_suspects(row_index, np.ones(2, bool), OPTIONS) == []
    row_index = make_row_index(["a", "b"], features=np.empty((2, 0), np.float32))
    assert find_suspects(row_index, np.ones(2, bool), OPTIONS) == []


def test_finding_names_both_labels():
    assert Suspect(3, "cat", "dog").finding() == Finding(3, "label_error", "labelled 'cat', looks like 'dog'")
