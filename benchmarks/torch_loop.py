"""Training throughput relative to a hand-written PyTorch loop, for the networks of systems 000, 001 and 003."""

import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from environments import BENCH_DIR, run_program
from projects import median_rate, read_train_rate, temporary_project, time_stage
from random_rows import SHAPES, train_settings, write_random_rows
from rows import NUM_RUNS, Row, Size, median_ratio

BATCH_SIZES = {"000": 32, "001": 64, "003": 32}
NAMES = tuple(f"hand-{system}" for system in BATCH_SIZES)
NUM_ROWS: dict[Size, int] = {"full": 19_200, "quick": 1_280}
NUM_EPOCHS = 3
NOTES = (
    "same network, batch size, Adam, float32, threads and random rows; median of epochs 2 and 3. Headrace is"
    " `headrace train` (num_workers 0) with its defaults otherwise: its steps also read rows from memory-mapped files,"
    " sum losses and accuracies, and log to MLflow. Its validation, weight files and resume state come between the"
    " steps and are not timed. It reuses the memory of a step for the next one, and pools before the activation, which"
    " is equivalent. The loop holds its rows in memory, uses torch's Adam with its defaults, and computes no metrics"
)


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Yields for each network the ratio, with its target, and the difference per step in microseconds."""
    for name in names:
        system = name.removeprefix("hand-")
        batch_size = BATCH_SIZES[system]
        rates = measure_rates(system, size)
        yield Row(
            name,
            f"training, network {system}, batch {batch_size}: rows/s relative to a hand-written loop",
            median_ratio(rates),
            "x",
            target=0.90,
            stretch_target=0.97,
            runs=rates,
            runs_unit="rows/s",
            notes=NOTES,
        )
        headrace, loop = (statistics.median(values) for values in rates.values())
        yield Row(
            f"{name}: overhead",
            f"training, network {system}, batch {batch_size}: extra time per step over the hand-written loop",
            1e6 * batch_size * (1 / headrace - 1 / loop),
            "us",
            runs={program: [1e6 * batch_size / rate for rate in values] for program, values in rates.items()},
            runs_unit="us per step",
            notes="from the same runs",
        )


def measure_rates(system: str, size: Size) -> dict[str, list[float]]:
    """Returns the rows per second of both programs, which run in alternation."""
    rates: dict[str, list[float]] = {"headrace": [], "hand-written loop": []}
    settings = train_settings(system, batch_size=BATCH_SIZES[system], max_epochs=NUM_EPOCHS, num_workers=0)
    with temporary_project(train=settings) as folder:
        normalized = write_random_rows(folder, SHAPES[system], num_train=NUM_ROWS[size], num_val=512)
        for _ in range(NUM_RUNS[size]):
            time_stage(folder, "train")
            rates["headrace"].append(read_train_rate(folder))
            rates["hand-written loop"].append(measure_loop_rate(system, normalized / "train"))
    return rates


def measure_loop_rate(system: str, rows: Path) -> float:
    """Returns the rows per second of the hand-written loop."""
    program = BENCH_DIR / "torch_loop_program.py"
    result = run_program(sys.executable, program, system, rows, BATCH_SIZES[system], NUM_EPOCHS)
    return median_rate(result["rates"])
