import pytest

from headrace.training.autotune.batch_size import find_best_batch_size, list_batch_sizes


@pytest.mark.parametrize(
    ("num_rows", "num_workers", "sizes"),
    [(20, 0, [8]), (511, 0, [8]), (512, 1, [8, 16]), (4096, 2, [16, 32, 64, 128]), (4096, 3, [24, 48, 96])],
)
def test_list_doubles_while_an_epoch_has_enough_steps(num_rows, num_workers, sizes):
    assert list_batch_sizes(num_rows, num_workers) == sizes


@pytest.mark.parametrize(
    ("time_step", "size"),
    [
        (lambda size: 1.0 + 0.01 * size, 256),  # a large fixed cost per step
        (lambda size: 0.1 * size, 8),  # no fixed cost
        (lambda size: max(1.0, size / 64), 64),
        (lambda size: 9.0 if size == 16 else max(1.0, size / 64), 64),  # one disturbed measurement
    ],
)
def test_best_is_the_largest_size_whose_doubling_raised_the_throughput(time_step, size):
    assert find_best_batch_size([8, 16, 32, 64, 128, 256], time_step) == (size, size / time_step(size))


@pytest.mark.parametrize("error", [MemoryError("out of memory"), RuntimeError("can't allocate memory: you tried")])
def test_best_fits_in_memory(error):
    def time_step(size):
        if size > 32:
            raise error
        return 1.0

    assert find_best_batch_size([8, 16, 32, 64, 128], time_step)[0] == 32


def test_best_with_another_error_fails():
    def time_step(size):
        raise RuntimeError(f"a bug at {size}")

    with pytest.raises(RuntimeError, match="a bug at 8"):
        find_best_batch_size([8, 16], time_step)
