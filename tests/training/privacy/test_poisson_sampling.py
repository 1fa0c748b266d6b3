import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headrace.training.privacy.keyed_random import derive_key
from headrace.training.privacy.poisson_sampling import PoissonBatchOrder
from headrace.training.sampling.batch_order import BatchOrder

KEY = derive_key(5)


@pytest.mark.parametrize(("num_rows", "batch_size"), [(400, 20), (60, 55), (300, 1)])
def test_rows_are_drawn_independently_with_the_sample_rate(num_rows: int, batch_size: int) -> None:
    order, num_draws = PoissonBatchOrder(num_rows, batch_size, 0, key=KEY), 600
    drawn = np.zeros((num_draws, num_rows))
    for step in range(num_draws):
        rows = order.rows_of_step(0, step)
        assert len(set(rows.tolist())) == len(rows)
        drawn[step, rows] = 1
    rate = order.sample_rate
    assert rate == batch_size / num_rows
    by_row, by_step = drawn.sum(axis=0), drawn.sum(axis=1)
    # sums of independent draws are binomial, over rows and over steps
    for sums, count in ((by_row, num_draws), (by_step, num_rows)):
        deviations = (sums - count * rate) / np.sqrt(count * rate * (1 - rate))
        assert stats.chi2(len(sums)).cdf(np.square(deviations).sum()) == pytest.approx(0.5, abs=0.499)
    neighbours = (drawn[:, :-1] * drawn[:, 1:]).sum()
    expected = num_draws * (num_rows - 1) * rate**2
    assert abs(neighbours - expected) < 5 * np.sqrt(expected) + 5


def test_batches_of_all_rows_have_each_once() -> None:
    assert PoissonBatchOrder(9, 9, 0, key=KEY).rows_of_step(3, 0).tolist() == list(range(9))
    order = PoissonBatchOrder(9, 20, 0, key=KEY)
    assert (order.sample_rate, order.num_steps) == (1.0, 1)


@given(
    num_rows=st.integers(1, 60), batch_size=st.integers(1, 30), num_workers=st.integers(1, 9), epoch=st.integers(0, 50)
)
def test_batches_are_the_same_for_any_number_of_workers(
    num_rows: int, batch_size: int, num_workers: int, epoch: int
) -> None:
    order = PoissonBatchOrder(num_rows, batch_size, 0, key=KEY)
    workers = [
        list(PoissonBatchOrder(num_rows, batch_size, 0, rank, num_workers, key=KEY).shares(epoch))
        for rank in range(num_workers)
    ]
    assert {len(shares) for shares in workers} == {order.num_steps} == {BatchOrder(num_rows, batch_size, 0).num_steps}
    for step in range(order.num_steps):
        rows = order.rows_of_step(epoch, step).tolist()
        shares = [own[step] for own in workers]
        assert [row for share in shares for row in share.rows[share.weights > 0].tolist()] == rows
        assert {share.num_rows for share in shares} == {len(rows)}
        assert all(len(share.rows) == len(share.weights) >= 1 for share in shares)


def test_empty_batch_has_one_row_of_weight_0() -> None:
    shares = list(PoissonBatchOrder(3, 1, 0, key=KEY).shares(0)) + list(PoissonBatchOrder(3, 1, 0, key=KEY).shares(1))
    empty = [share for share in shares if share.num_rows == 0]
    assert empty, "a third of the batches of one row in three are empty"
    assert all(share.rows.tolist() == [0] and share.weights.tolist() == [0.0] for share in empty)


def test_batches_are_a_pure_function_of_key_epoch_and_step() -> None:
    order = PoissonBatchOrder(500, 50, 0, key=KEY)
    batches = [share.rows.tolist() for share in order.shares(4)]
    assert [share.rows.tolist() for share in order.shares(4, 6)] == batches[6:]
    assert [share.rows.tolist() for share in PoissonBatchOrder(500, 50, 9, key=KEY).shares(4)] == batches
    assert [share.rows.tolist() for share in order.shares(5)] != batches
    assert [share.rows.tolist() for share in PoissonBatchOrder(500, 50, 0, key=derive_key(6)).shares(4)] != batches
