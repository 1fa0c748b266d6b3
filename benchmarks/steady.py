"""Steady training throughput against a bare PyTorch loop, networks of 000, 001 and 003."""

import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from drawn_rows import SHAPES, draw, train_settings
from environments import BENCH_DIR, run_program
from projects import project, steady, steady_rate, time_stage
from rows import NUM_RUNS, Row, Size, ratio

BATCH_SIZES = {"000": 32, "001": 64, "003": 32}
NAMES = tuple(f"hand-{system}" for system in BATCH_SIZES)
NUM_ROWS: dict[Size, int] = {"full": 19_200, "quick": 1_280}
NUM_EPOCHS = 3
UNEQUAL = (
    "same network, batch size, Adam, float32, threads and rows (drawn at random); median of epochs 2 and 3. Ours is"
    " `headrace train` (num_workers 0) with its defaults otherwise: in its steps it also reads rows from memory-mapped"
    " files, sums losses and accuracies and tells MLflow; its validation, its files of weights and of the state to"
    " resume from are between the steps, and not timed; it keeps a step's memory for the next, and pools before it"
    " activates, which is the same. The loop has its rows in memory, torch's Adam as it comes, and measures nothing"
)


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """For each network the ratio, with its bar, and the difference a step in microseconds."""
    for name in names:
        system = name.removeprefix("hand-")
        batch_size = BATCH_SIZES[system]
        runs = alternate(system, size)
        yield Row(
            name,
            f"training, network of {system}, batch {batch_size}: rows/s against a loop by hand",
            ratio(runs),
            "x",
            bar=0.90,
            aim=0.97,
            runs=runs,
            runs_unit="rows/s",
            unequal=UNEQUAL,
        )
        ours, theirs = (statistics.median(values) for values in runs.values())
        yield Row(
            f"{name}: overhead",
            f"training, network of {system}, batch {batch_size}: longer a step than the loop by hand",
            1e6 * batch_size * (1 / ours - 1 / theirs),
            "us",
            runs={side: [1e6 * batch_size / rate for rate in rates] for side, rates in runs.items()},
            runs_unit="us a step",
            unequal="of the same runs",
        )


def alternate(system: str, size: Size) -> dict[str, list[float]]:
    """Rows a second of both, run by run in turn."""
    runs: dict[str, list[float]] = {"headrace": [], "loop by hand": []}
    settings = train_settings(system, batch_size=BATCH_SIZES[system], max_epochs=NUM_EPOCHS, num_workers=0)
    with project(train=settings) as folder:
        rows = draw(folder, SHAPES[system], num_train=NUM_ROWS[size], num_val=512)
        for _ in range(NUM_RUNS[size]):
            time_stage(folder, "train")
            runs["headrace"].append(steady_rate(folder))
            runs["loop by hand"].append(by_hand(system, rows / "train"))
    return runs


def by_hand(system: str, rows: Path) -> float:
    """Rows a second of the loop."""
    program = BENCH_DIR / "hand_loops.py"
    told = run_program(sys.executable, program, system, rows, BATCH_SIZES[system], NUM_EPOCHS)
    return steady(told["rates"])
