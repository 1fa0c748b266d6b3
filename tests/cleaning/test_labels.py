import numpy as np
import pytest

from headrace.cleaning.labels import label_errors

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
