import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from headrace.evaluation.metrics.ranking import Rank, area_under_roc, average_precision, mean_with_interval

RNG = np.random.default_rng(0)
REFERENCES = [(area_under_roc, roc_auc_score), (average_precision, average_precision_score)]
pairs = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40)


def draw(num_rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties `[rows, 3]`, and targets that they rank."""
    targets = rng.random((num_rows, 3)) < [0.5, 0.3, 0.15]
    return np.round(targets + rng.normal(0, 1.2, targets.shape), 1), targets


@pytest.mark.parametrize(("rank", "reference"), REFERENCES)
@given(pairs.filter(lambda rows: 0 < sum(hit for _, hit in rows) < len(rows)))
def test_value_is_that_of_scikit_learn_and_influences_cancel(rank: Rank, reference, rows) -> None:
    scores, hits = np.array(rows, float).T
    metric = rank(scores, hits > 0)
    assert metric.value == pytest.approx(reference(hits, scores))
    assert metric.influence.mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("rank", "reference"), REFERENCES)
def test_influence_is_the_change_by_a_repeated_row(rank: Rank, reference) -> None:
    scores, targets = (array[:, 1] for array in draw(2000, RNG))
    metric = rank(scores, targets)
    for row in range(0, 2000, 97):
        changed = reference(np.append(targets, targets[row]), np.append(scores, scores[row]))
        assert (changed - metric.value) * 2001 == pytest.approx(metric.influence[row], abs=0.02)


@pytest.mark.parametrize(("rank", "reference"), REFERENCES)
def test_interval_of_the_mean_is_that_of_a_plain_loop_over_resampled_rows(rank: Rank, reference) -> None:
    scores, targets = draw(400, RNG)
    value, low, high = mean_with_interval(rank, scores, targets)
    resampled = []
    for _ in range(150):
        rows = RNG.integers(0, 400, 400)
        resampled.append(np.mean([reference(targets[rows, k], scores[rows, k]) for k in range(3)]))
    assert value == pytest.approx(np.mean([reference(targets[:, k], scores[:, k]) for k in range(3)]))
    error = float(np.std(resampled))
    assert (low, high) == pytest.approx((value - 1.96 * error, value + 1.96 * error), abs=0.6 * error)


@pytest.mark.parametrize("rank", [area_under_roc, average_precision])
def test_interval_covers_the_value_of_all_rows_19_times_of_20(rank: Rank) -> None:
    everything = mean_with_interval(rank, *draw(200_000, RNG))[0]
    intervals = [mean_with_interval(rank, *draw(200, RNG))[1:] for _ in range(400)]
    assert 0.92 < np.mean([low <= everything <= high for low, high in intervals]) < 0.98


def test_ends_of_a_perfect_ranking_are_not_equal() -> None:
    targets = np.array([[True], [True], [False], [False], [False]])
    value, low, high = mean_with_interval(area_under_roc, targets.astype(float), targets)
    assert (value, high) == (1, 1)
    assert low == pytest.approx(0.342, abs=0.001)  # Wilson's interval of two right rows of two


def test_without_a_column_that_varies_nothing_is_known() -> None:
    assert mean_with_interval(area_under_roc, np.zeros((3, 2)), np.ones((3, 2), bool)) == (0, 0, 1)
