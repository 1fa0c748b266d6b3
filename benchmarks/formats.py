"""Ingest of one table through every format: speed against CSV, and how memory grows with the rows.

Measured by run.py, or alone without writing results: python benchmarks/formats.py [FILE NAME ...].
"""

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from environments import BENCH_DIR
from projects import MonitoredProcess, monitor_stage, temporary_project
from report import format_row
from rows import NUM_RUNS, Row, Size

sys.path.insert(0, str(BENCH_DIR.parent))

from tests.table_files import TABLE_WRITERS, make_rows

NAMES = ("formats",)
NUM_ROWS: dict[Size, int] = {"full": 10_000, "quick": 500}
FACTOR = 10
BASELINE = "x.csv"
MIN_SPEED, MAX_GROWTH = 0.5, 1.3


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Measures every format that the contract test of formats writes."""
    del names
    return measure_formats(list(TABLE_WRITERS), size)


def measure_formats(formats: Sequence[str], size: Size) -> Iterator[Row]:
    """Yields two rows for each format: the speed of the rows added from 1x to 10x, and the growth of the memory."""
    rows = make_rows(FACTOR * NUM_ROWS[size])
    small = rows[: NUM_ROWS[size]]
    rates: dict[str, float] = {}
    for name in dict.fromkeys([BASELINE, *formats]):
        runs = [(run_ingest(name, small), run_ingest(name, rows)) for _ in range(NUM_RUNS[size])]
        seconds = [large.seconds - base.seconds for base, large in runs]
        rates[name] = (len(rows) - len(small)) / max(statistics.median(seconds), 1e-3)
        low, high = (statistics.median(each.peak_mb for each in column) for column in zip(*runs, strict=True))
        notes = f"{rates[name]:,.0f} rows/s, CSV {rates[BASELINE]:,.0f}; the rows from {len(small):,} to {len(rows):,}"
        if name != BASELINE:
            ratio = rates[name] / rates[BASELINE]
            yield Row(
                f"formats: {name} speed",
                f"ingest of {name}: rows/s against CSV",
                ratio,
                "x",
                target=MIN_SPEED,
                notes=notes,
            )
        yield Row(
            f"formats: {name} memory", f"ingest of {name}: peak memory at {FACTOR}x the rows", high / low, "x",
            target=MAX_GROWTH, lower_is_better=True, notes=f"{low:.0f} -> {high:.0f} MB",
        )  # fmt: skip


def run_ingest(name: str, rows: list[dict]) -> MonitoredProcess:
    """Writes the rows in one format and ingests them."""
    table = {"delimiter": ","}
    ingest = {"source": name, "target": "outcome", "columns": {"note": "categorical"}, "table": table}
    with temporary_project(ingest=ingest) as folder:
        write: Callable[[Path, list[dict]], None] = TABLE_WRITERS[name]
        write(folder / name, rows)
        return monitor_stage(folder, "ingest")


if __name__ == "__main__":
    for measured in measure_formats(sys.argv[1:] or list(TABLE_WRITERS), "full"):
        print(format_row(measured), flush=True)
