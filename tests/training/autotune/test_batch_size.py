"""Batch sizes: which are tried, and where the doubling ends."""

import pytest

from headrace.training.autotune.batch_size import largest_that_pays, sizes_to_try


@pytest.mark.parametrize(
    ("num_rows", "num_workers", "sizes"),
    [(20, 0, [8]), (511, 0, [8]), (512, 1, [8, 16]), (4096, 2, [16, 32, 64, 128]), (4096, 3, [24, 48, 96])],
)
def test_sizes_double_while_an_epoch_keeps_its_steps(num_rows, num_workers, sizes):
    assert sizes_to_try(num_rows, num_workers) == sizes


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        (lambda size: 1.0 + 0.01 * size, 256),  # the fixed cost of a step is still worth sharing
        (lambda size: 0.1 * size, 8),  # a row costs what it costs
        (lambda size: max(1.0, size / 64), 64),
        (lambda size: 9.0 if size == 16 else max(1.0, size / 64), 64),  # one measurement was disturbed
    ],
)
def test_size_is_the_largest_whose_doubling_paid(seconds, size):
    found, rate = largest_that_pays([8, 16, 32, 64, 128, 256], seconds)
    assert found == size
    assert rate == size / seconds(size)


@pytest.mark.parametrize("error", [MemoryError("out of memory"), RuntimeError("can't allocate memory: you tried")])
def test_size_that_memory_does_not_hold_is_not_taken(error):
    def seconds(size):
        if size > 32:
            raise error
        return 1.0

    assert largest_that_pays([8, 16, 32, 64, 128], seconds)[0] == 32


def test_error_that_is_not_of_memory_is_raised():
    def seconds(size):
        raise RuntimeError(f"a bug at {size}")

    with pytest.raises(RuntimeError, match="a bug at 8"):
        largest_that_pays([8, 16], seconds)
