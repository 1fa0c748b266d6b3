"""Overhead of Ray in a training, and the speedup of a second worker."""

import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from environments import BENCH_DIR, run_program
from projects import read_metrics, read_train_rate, temporary_project, time_stage, write_params
from random_rows import SHAPES, train_settings, write_random_rows
from rows import NUM_RUNS, Row, Size, median_ratio

NAMES = ("ray-share", "two-workers")
BATCH_SIZE_PER_WORKER = 64
NUM_ROWS: dict[Size, int] = {"full": 19_200, "quick": 1_280}
NUM_BARE_STEPS: dict[Size, int] = {"full": 300, "quick": 20}
ONE, TWO = "1 worker", "2 workers"
BARE_ALONE = "one process"
BARE = {
    BARE_ALONE: (1, "none"),
    "two independent processes": (2, "none"),
    "two processes with DistributedDataParallel": (2, "ddp"),
}
"""Bare PyTorch loop -> its number of processes, and how they synchronize gradients."""


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Measures both benchmarks with the same trainings, of two workers and of one in alternation."""
    rates: dict[str, list[float]] = {TWO: [], ONE: []}
    overheads: list[float] = []
    bare_rates: dict[str, list[float]] = {loop: [] for loop in BARE}
    with temporary_project() as folder:
        write_random_rows(folder, SHAPES["001"], num_train=NUM_ROWS[size], num_val=512)
        for _ in range(NUM_RUNS[size]):
            rate, overhead = train_with_workers(folder, 2)
            rates[TWO].append(rate)
            overheads.append(overhead)
            if "two-workers" in names:
                rates[ONE].append(train_with_workers(folder, 1)[0])
                for loop, (num_processes, sync) in BARE.items():
                    bare_rates[loop].append(measure_bare_rate(num_processes, sync, size))
    if "ray-share" in names:
        yield overhead_row(overheads)
    if "two-workers" in names:
        yield from speedup_rows(rates, bare_rates)


def train_with_workers(folder: Path, num_workers: int) -> tuple[float, float]:
    """Trains on as many cores as workers; returns rows per second, and the wall seconds beyond the fit."""
    batch_size = num_workers * BATCH_SIZE_PER_WORKER
    train = train_settings("001", batch_size=batch_size, max_epochs=3, num_workers=num_workers)
    write_params(folder, {"train": train})
    seconds = time_stage(folder, "train", num_cores=num_workers).seconds
    return read_train_rate(folder), seconds - read_metrics(folder, "train")["fit_seconds"]


def measure_bare_rate(num_processes: int, sync: str, size: Size) -> float:
    """Returns the rows per second of all processes of `ddp_program.py` together."""
    result = run_program(sys.executable, BENCH_DIR / "ddp_program.py", num_processes, sync, NUM_BARE_STEPS[size])
    return float(result["rate"])


def overhead_row(overheads: list[float]) -> Row:
    """Returns the row of the seconds that a training takes beyond its fit."""
    return Row(
        "ray-share",
        "`headrace train` with 2 workers: wall time beyond the fit",
        statistics.median(overheads),
        "s",
        target=20,
        lower_is_better=True,
        runs={"headrace": overheads},
        runs_unit="s",
        notes="no program to compare with; includes the start of Python and Ray, imports, the export and its check,"
        " and tracking",
    )


def speedup_rows(rates: dict[str, list[float]], bare_rates: dict[str, list[float]]) -> Iterator[Row]:
    """Yields the speedup of two workers, and of two bare processes for comparison."""
    yield Row(
        "two-workers",
        f"network 001, {BATCH_SIZE_PER_WORKER} rows per worker and step: 2 workers of 1 thread relative to 1",
        median_ratio(rates),
        "x",
        target=1.8,
        runs=rates,
        runs_unit="rows/s",
        notes="each side has as many cores as workers, so the single worker shares its core with Ray's own processes;"
        " two workers also synchronize gradients in each step; the batch of two workers is twice as large",
    )
    for loop in list(BARE)[1:]:
        loop_rates = {name: bare_rates[name] for name in (loop, BARE_ALONE)}
        yield Row(
            f"two-workers: {loop}",
            f"the same network in bare PyTorch: {loop}, relative to one",
            median_ratio(loop_rates),
            "x",
            runs=loop_rates,
            runs_unit="rows/s",
            notes="no target: what this machine allows two workers without Headrace. Each process has one thread and"
            " its own core, trains on one fixed batch of 64 rows in float32, and reads, sums and logs nothing",
        )
