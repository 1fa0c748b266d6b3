"""Peak memory of a training with ten times the rows."""

import statistics
from collections.abc import Iterator, Sequence

from projects import MonitoredProcess, monitor_stage, temporary_project
from random_rows import write_random_rows
from rows import NUM_RUNS, Row, Size, median_ratio

NAMES = ("memory",)
SHAPE, FACTOR = [32, 32, 3], 10
NUM_ROWS: dict[Size, int] = {"full": 50_000, "quick": 1_000}
TRAIN = {
    "model": {"name": "mlp", "dense": [16]},
    "batch_size": 256,
    "max_epochs": 1,
    "num_workers": 0,
    "early_stopping": {"patience": 0},
}
"""A network so small that ten times the rows take seconds; growth with the rows does not depend on it."""


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Runs `headrace train` on CIFAR-10's number of rows and on ten times as many, in alternation."""
    del names
    small, large = NUM_ROWS[size], FACTOR * NUM_ROWS[size]
    processes: dict[int, list[MonitoredProcess]] = {large: [], small: []}
    with temporary_project(train=TRAIN) as small_dir, temporary_project(train=TRAIN) as large_dir:
        folders = {small: small_dir, large: large_dir}
        for num_rows, folder in folders.items():
            write_random_rows(folder, SHAPE, num_train=num_rows, num_val=num_rows // 10)
        for _ in range(NUM_RUNS[size]):
            for num_rows, folder in folders.items():
                processes[num_rows].append(monitor_stage(folder, "train"))
    peaks = {f"{num_rows:,} rows": [run.peak_mb for run in runs] for num_rows, runs in processes.items()}
    anonymous = {
        num_rows: statistics.median(run.peak_anonymous_mb for run in runs) for num_rows, runs in processes.items()
    }
    yield Row(
        "memory",
        "peak training memory with 10 times the rows",
        median_ratio(peaks),
        "x",
        target=1.2,
        lower_is_better=True,
        runs=peaks,
        runs_unit="MB",
        notes="PSS of the stage and its children, including pages of mapped files, which the kernel can reclaim;"
        f" without those pages: {anonymous[small]:.0f} -> {anonymous[large]:.0f} MB"
        f" ({anonymous[large] / anonymous[small]:.2f}x); 32x32x3, plus a tenth as many validation rows; a network with"
        " 16 hidden units, one epoch, in the calling process",
    )
