"""The batch size that a machine trains fast with: doubled while that pays, memory and the number of steps allowing."""

from __future__ import annotations

import resource
from collections.abc import Callable

import psutil

LEAST_STEPS = 32
"""Optimizer steps that an epoch must keep: fewer, larger ones learn less from the same rows."""
SMALLEST = 8
LEAST_GAIN = 1.1
"""Rows a second that a doubling must bring, as a factor."""
MOST_IDLE = 2
"""Doublings in a row that do not pay, before the end: one may be disturbed by other work."""
MOST_OF_FREE_MEMORY = 0.5


def sizes_to_try(num_rows: int, num_workers: int) -> list[int]:
    """Global batch sizes, each twice the one before, the workers' number dividing all of them."""
    size = SMALLEST * max(num_workers, 1)
    sizes = [size]
    while (size := 2 * size) * LEAST_STEPS <= num_rows:
        sizes.append(size)
    return sizes


def largest_that_pays(sizes: list[int], seconds_a_step: Callable[[int], float]) -> tuple[int, float]:
    """The size whose rows a second are within a tenth of the best, and its rows a second.

    Ends after doublings that did not pay, or where memory would not do.
    """
    rates: dict[int, float] = {}
    idle = 0
    for size in sizes:
        before = _peak_bytes()
        try:
            seconds = seconds_a_step(size)
        except (MemoryError, RuntimeError) as error:
            if not rates or "memory" not in str(error).lower():
                raise
            break
        rate = size / seconds
        idle = 0 if not rates or rate >= LEAST_GAIN * max(rates.values()) else idle + 1
        rates[size] = rate
        if idle == MOST_IDLE or 2 * (_peak_bytes() - before) > MOST_OF_FREE_MEMORY * psutil.virtual_memory().available:
            break
    best = max(rates.values())
    return next((size, rate) for size, rate in rates.items() if rate * LEAST_GAIN >= best)


def _peak_bytes() -> int:
    """Of this process, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
