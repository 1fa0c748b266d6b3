"""Chooses a batch size: doubled as long as that raises the throughput, and memory and the number of steps allow it."""

from __future__ import annotations

import resource
from collections.abc import Callable

import psutil

MIN_STEPS = 32
"""Optimizer steps that an epoch must keep: fewer, larger steps learn less from the same rows."""
MIN_BATCH_SIZE = 8
"""Per worker."""
MIN_SPEEDUP = 1.1
"""Factor in rows per second that a doubling must bring."""
MAX_FAILED_DOUBLINGS = 2
"""Consecutive doublings without a gain that end the search: a single one may be disturbed by other load."""
MAX_MEMORY_FRACTION = 0.5
"""Of the free memory."""


def list_batch_sizes(num_rows: int, num_workers: int) -> list[int]:
    """Returns the global batch sizes to try, each twice the previous one, all multiples of the number of workers."""
    size = MIN_BATCH_SIZE * max(num_workers, 1)
    sizes = [size]
    while (size := 2 * size) * MIN_STEPS <= num_rows:
        sizes.append(size)
    return sizes


def find_best_batch_size(sizes: list[int], time_step: Callable[[int], float]) -> tuple[int, float]:
    """Returns the smallest size whose rows per second are within 10 % of the best, and its rows per second.

    `time_step` returns the seconds per step of a size. Stops after doublings without a gain, or if memory runs out.
    """
    rates: dict[int, float] = {}
    num_failed = 0
    for size in sizes:
        peak_before = _peak_bytes()
        try:
            seconds = time_step(size)
        except (MemoryError, RuntimeError) as error:
            if not rates or "memory" not in str(error).lower():
                raise
            break
        rate = size / seconds
        num_failed = 0 if not rates or rate >= MIN_SPEEDUP * max(rates.values()) else num_failed + 1
        rates[size] = rate
        expected_bytes = 2 * (_peak_bytes() - peak_before)
        is_memory_short = expected_bytes > MAX_MEMORY_FRACTION * psutil.virtual_memory().available
        if num_failed == MAX_FAILED_DOUBLINGS or is_memory_short:
            break
    best = max(rates.values())
    return next((size, rate) for size, rate in rates.items() if rate * MIN_SPEEDUP >= best)


def _peak_bytes() -> int:
    """Returns the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
