"""Peak memory of a training when there are ten times the rows."""

import statistics
from collections.abc import Iterator, Sequence

from drawn_rows import draw
from projects import Watched, project, run_stage
from rows import NUM_RUNS, Row, Size

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
"""A network so small that ten times the rows take seconds: what grows with the rows does not depend on it."""


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """`headrace train` on CIFAR-10's number of rows, and on ten times as many, in turn."""
    del names
    small, large = NUM_ROWS[size], FACTOR * NUM_ROWS[size]
    found: dict[int, list[Watched]] = {small: [], large: []}
    with project(train=TRAIN) as first, project(train=TRAIN) as second:
        folders = {small: first, large: second}
        for num_rows, folder in folders.items():
            draw(folder, SHAPE, num_train=num_rows, num_val=num_rows // 10)
        for _ in range(NUM_RUNS[size]):
            for num_rows, folder in folders.items():
                found[num_rows].append(run_stage(folder, "train"))
    sides = {f"{large:,} rows": found[large], f"{small:,} rows": found[small]}
    peaks = {side: [run.peak_mb for run in runs] for side, runs in sides.items()}
    own = [statistics.median(run.peak_own_mb for run in runs) for runs in sides.values()]
    first_median, second_median = (statistics.median(values) for values in peaks.values())
    yield Row(
        "memory",
        "peak memory of training on 10 times the rows",
        first_median / second_median,
        "x",
        bar=1.2,
        is_upper=True,
        runs=peaks,
        runs_unit="MB",
        unequal="PSS of the stage and its children, pages of mapped files with it, which the kernel takes back when it"
        f" needs room; without those: {own[1]:.0f} -> {own[0]:.0f} MB ({own[0] / own[1]:.2f}x); 32x32x3, a tenth of the"
        " rows more for validation; a network of 16 hidden units, one epoch, in the calling process",
    )
