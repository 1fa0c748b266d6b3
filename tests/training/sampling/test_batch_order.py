import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.training.sampling.batch_order import BatchOrder, WorkerShare

sizes = {"num_rows": st.integers(1, 90), "batch_size": st.integers(1, 40), "epoch": st.integers(0, 50)}


def list_shares(
    num_rows: int, batch_size: int, num_workers: int, epoch: int = 0, seed: int = 0
) -> list[list[WorkerShare]]:
    """Returns shares by step, then by worker."""
    orders = [BatchOrder(num_rows, batch_size, seed, rank, num_workers) for rank in range(num_workers)]
    return list(zip(*(order.shares(epoch) for order in orders), strict=True))


def get_own_rows(share: WorkerShare) -> list[int]:
    return share.rows[share.weights > 0].tolist()


@settings(deadline=None)
@given(**sizes, num_workers=st.integers(1, 12))
def test_order_has_each_row_once_per_epoch(num_rows: int, batch_size: int, epoch: int, num_workers: int) -> None:
    steps = list_shares(num_rows, batch_size, num_workers, epoch)
    rows = [row for step in steps for share in step for row in get_own_rows(share)]
    assert sorted(rows) == list(range(num_rows))
    assert BatchOrder(num_rows, batch_size, 0).num_steps == len(steps)


@settings(deadline=None, max_examples=25)
@given(
    num_rows=st.integers(1, 200),
    batch_size=st.integers(1, 100),
    epoch=st.integers(0, 50),
    num_workers_by_start=st.lists(st.tuples(st.integers(1, 64), st.integers(1, 9)), min_size=1, max_size=3),
    num_parts=st.integers(1, 3),
    is_balanced=st.booleans(),
)
def test_rows_come_in_one_sequence_for_workers_that_change_in_mid_epoch(
    num_rows: int, batch_size: int, epoch: int, *,
    num_workers_by_start: list[tuple[int, int]], num_parts: int, is_balanced: bool,
) -> None:  # fmt: skip
    """Each start goes on after the steps of the one before it, with another number of workers; the last ends."""
    labels = np.arange(num_rows) ** 2 % 7 if is_balanced else None
    alone = BatchOrder(num_rows, batch_size, 5, labels=labels)
    expected = [share.rows.tolist() for share in alone.shares(epoch)]
    batches: list[list[int]] = []
    for start, (num_workers, num_steps) in enumerate(num_workers_by_start):
        orders = [
            BatchOrder(num_rows, batch_size, 5, rank, num_workers, num_parts=num_parts, labels=labels)
            for rank in range(num_workers)
        ]
        first_step, is_last = len(batches), start == len(num_workers_by_start) - 1
        parts = [list(order.shares(epoch, first_step)) for order in orders]
        for step in range(alone.num_steps - first_step if is_last else min(num_steps, alone.num_steps - first_step)):
            shares = [share for rank in parts for share in rank[step * num_parts : (step + 1) * num_parts]]
            own = [share for share in shares if share.weights.all()]
            positions = [share.first + index for share in own for index in range(len(share.rows))]
            assert positions == list(range(own[0].num_rows)), "what is drawn by row of the batch has the same places"
            batches.append([row for share in shares for row in get_own_rows(share)])
    assert batches == expected
    assert [row for batch in batches for row in batch] == alone.rows_of_epoch(epoch).tolist()


@settings(deadline=None)
@given(**sizes, num_workers=st.integers(1, 12))
def test_order_only_has_rows_of_weight_0_if_a_batch_has_fewer_rows_than_workers(
    num_rows: int, batch_size: int, epoch: int, num_workers: int
) -> None:
    for step in list_shares(num_rows, batch_size, num_workers, epoch):
        batch = [row for share in step for row in get_own_rows(share)]
        counts = [len(get_own_rows(share)) for share in step]
        assert {share.num_rows for share in step} == {len(batch)}
        assert max(counts) - min(counts) <= 1
        assert len(batch) <= batch_size
        for share, count in zip(step, counts, strict=True):
            assert len(share.rows) == len(share.weights) == max(count, 1)  # never empty, never padded
            assert set(share.weights.tolist()) == {1.0 if count else 0.0}
            assert set(share.rows.tolist()) <= set(batch)
            assert count or len(batch) < num_workers


@settings(deadline=None)
@given(**sizes, first_step=st.integers(0, 20))
def test_order_from_a_later_step_is_the_rest_of_the_epoch(
    num_rows: int, batch_size: int, epoch: int, first_step: int
) -> None:
    order = BatchOrder(num_rows, batch_size, 3)
    batches = [share.rows.tolist() for share in order.shares(epoch)]
    assert [share.rows.tolist() for share in order.shares(epoch, first_step)] == batches[first_step:]


def test_order_is_a_pure_function_of_seed_and_epoch() -> None:
    order = BatchOrder(500, 50, seed=3)
    first = order.rows_of_epoch(4)
    order.rows_of_epoch(5)
    np.random.seed(0)  # noqa: NPY002 the global generator is not used
    np.testing.assert_array_equal(order.rows_of_epoch(4), first)
    np.testing.assert_array_equal(BatchOrder(500, 25, seed=3, rank=1, num_workers=5).rows_of_epoch(4), first)
    assert (order.rows_of_epoch(5) != first).any()
    assert (BatchOrder(500, 50, seed=4).rows_of_epoch(4) != first).any()
    assert (BatchOrder(500, 50, seed=4).rows_of_epoch(3) != first).any()


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_order_accepts_every_valid_seed(seed: int) -> None:
    assert sorted(BatchOrder(9, 4, seed).rows_of_epoch(10_000).tolist()) == list(range(9))


def test_order_is_that_of_the_previous_release() -> None:
    """Another order would change the weights of every model: a seed promises them."""
    assert BatchOrder(8, 4, seed=0).rows_of_epoch(0).tolist() == [5, 0, 6, 1, 7, 2, 4, 3]


def test_order_without_shuffling_is_that_of_the_file() -> None:
    order = BatchOrder(5, 2, 0, is_shuffled=False)
    assert [share.rows.tolist() for share in order.shares(7)] == [[0, 1], [2, 3], [4]]


@given(**sizes, num_workers=st.integers(1, 5), num_parts=st.integers(1, 7))
def test_parts_of_a_batch_are_its_rows_in_order(
    num_rows: int, batch_size: int, epoch: int, num_workers: int, num_parts: int
) -> None:
    for rank in range(num_workers):
        full = list(BatchOrder(num_rows, batch_size, 0, rank, num_workers).shares(epoch))
        parts = list(BatchOrder(num_rows, batch_size, 0, rank, num_workers, num_parts=num_parts).shares(epoch))
        assert len(parts) == num_parts * len(full), "even for a smaller last batch"
        for step, share in enumerate(full):
            own = parts[num_parts * step : num_parts * (step + 1)]
            assert [row for part in own for row in get_own_rows(part)] == get_own_rows(share)
            assert {part.num_rows for part in own} == {share.num_rows}
            assert all(len(part.rows) for part in own), "no part is empty"


def test_order_of_a_balanced_draw_is_the_same_for_any_number_of_workers() -> None:
    labels = np.repeat([0, 1, 2], [60, 9, 4])
    batches = [get_own_rows(share) for share in BatchOrder(73, 10, 3, labels=labels).shares(5)]
    assert [len(batch) for batch in batches] == [10] * 7 + [3]
    for num_workers in (2, 5):
        orders = [BatchOrder(73, 10, 3, rank, num_workers, labels=labels).shares(5) for rank in range(num_workers)]
        steps = zip(*orders, strict=True)
        assert [[row for share in step for row in get_own_rows(share)] for step in steps] == batches


def test_order_of_a_balanced_draw_mixes_the_classes() -> None:
    labels = np.repeat([0, 1], [90, 10])
    rows = BatchOrder(100, 10, 0, labels=labels).rows_of_epoch(0)
    fractions_of_rare = [(labels[rows[start : start + 20]] == 1).mean() for start in range(0, 100, 20)]
    assert all(0.2 <= fraction <= 0.8 for fraction in fractions_of_rare)
