"""Runs the benchmarks. Writes docs/benchmarks.md and benchmarks/results.json; also `make bench`.

Usage: python benchmarks/run.py [NAME ...] [--quick] [--against results.json]
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import answers
import data
import feeding
import formats
import keras_papers
import ludwig_adult
import memory
import photos
import quantization
import ray_workers
import report
import scaling
import stage_timing
import startup
import torch_loop
from environments import BENCH_DIR
from machine import describe_run
from rows import Row, Size, failed_row

from headrace.storage import atomic

Measure = Callable[[Sequence[str], Size], Iterator[Row]]
GROUPS: tuple[tuple[tuple[str, ...], Measure], ...] = tuple(
    (module.NAMES, module.measure)
    for module in (
        torch_loop,
        keras_papers,
        feeding,
        scaling,
        ray_workers,
        memory,
        data,
        formats,
        photos,
        ludwig_adult,
        startup,
        quantization,
        stage_timing,
        answers,
    )
)
"""Benchmarks that are measured together, and the function that measures them."""
BENCHMARKS = [name for names, _ in GROUPS for name in names]
ROOT = BENCH_DIR.parent
RESULTS: dict[Size, Path] = {
    "full": BENCH_DIR / "results.json",
    "quick": ROOT / ".headrace" / "bench" / "results.json",
}
PAGES: dict[Size, Path] = {
    "full": ROOT / "docs" / "benchmarks.md",
    "quick": ROOT / ".headrace" / "bench" / "benchmarks.md",
}


def measure_group(names: Sequence[str], measure: Measure, size: Size) -> dict[str, list[Row]]:
    """Returns the rows of each benchmark; an error becomes a failed row for each benchmark without rows."""
    rows_by_benchmark: dict[str, list[Row]] = {name: [] for name in names}
    try:
        for row in measure(names, size):
            rows_by_benchmark[row.benchmark].append(row)
            print(report.format_row(row), flush=True)
    except Exception as error:  # noqa: BLE001 the other groups are measured whatever happens here
        traceback.print_exc()
        for name, rows in rows_by_benchmark.items():
            if not rows:
                rows.append(failed_row(name, str(error) or type(error).__name__))
    return rows_by_benchmark


def parse_arguments() -> argparse.Namespace:
    """Parses the command line; exits with one line if a benchmark is unknown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"benchmarks: {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few rows and epochs, one run, to check the programs")
    parser.add_argument("--against", type=Path, help="an earlier results.json to compare with")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"{unknown[0]!r} is not a benchmark; choose from {', '.join(BENCHMARKS)}")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    size: Size = "quick" if arguments.quick else "full"
    earlier = report.read_results(arguments.against) if arguments.against else None  # it may be overwritten below
    requested, run, num_failures = arguments.names or BENCHMARKS, describe_run(), 0
    results = report.read_results(RESULTS[size])
    for group, measure in GROUPS:
        names = [name for name in group if name in requested]
        if not names:
            continue
        started = time.perf_counter()
        new_rows = measure_group(names, measure, size)
        num_failures += sum(bool(row.failure) for rows in new_rows.values() for row in rows)
        print(f"  ({', '.join(names)}: {time.perf_counter() - started:.0f} s)", flush=True)
        results = report.merge_results(results, new_rows, run=run)
        RESULTS[size].parent.mkdir(parents=True, exist_ok=True)
        atomic.write_json(RESULTS[size], results)  # after each group, in case the run is interrupted
        atomic.write_text(PAGES[size], report.format_markdown(results, BENCHMARKS, is_quick=arguments.quick))
    print(f"wrote {PAGES[size]} and {RESULTS[size]}")
    if earlier is not None:
        print("\n".join(report.compare_results(results, earlier)))
    sys.exit(1 if num_failures else 0)


if __name__ == "__main__":
    main()
