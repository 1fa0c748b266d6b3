"""Figures side by side. Writes docs/benchmarks.md and benchmarks/results.json; `make bench`.

Usage: python benchmarks/run.py [NAME ...] [--quick] [--against results.json]
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import feeding
import left_half
import ludwig_adult
import memory
import papers
import steady
import table
import workers
from environments import BENCH_DIR
from machine import machine, this_run
from rows import Row, Size, failed

from headrace.storage import atomic

Measure = Callable[[Sequence[str], Size], Iterator[Row]]
GROUPS: tuple[tuple[tuple[str, ...], Measure], ...] = tuple(
    (module.NAMES, module.measure) for module in (steady, papers, feeding, workers, memory, left_half, ludwig_adult)
)
"""Names that are measured together, and by what."""
ORDER = [name for names, _ in GROUPS for name in names]
ROOT = BENCH_DIR.parent
RESULTS: dict[Size, Path] = {
    "full": BENCH_DIR / "results.json",
    "quick": ROOT / ".headrace" / "bench" / "results.json",
}
PAGES: dict[Size, Path] = {
    "full": ROOT / "docs" / "benchmarks.md",
    "quick": ROOT / ".headrace" / "bench" / "benchmarks.md",
}


def measured(names: Sequence[str], measure: Measure, size: Size) -> dict[str, list[Row]]:
    """Rows by the name that they were asked for by; a row that failed says so, and the others go on."""
    made: dict[str, list[Row]] = {name: [] for name in names}
    try:
        for row in measure(names, size):
            made[row.name.partition(":")[0]].append(row)
            print(table.line(row), flush=True)
    except Exception as error:  # noqa: BLE001 whatever it is, the other groups are still worth measuring
        traceback.print_exc()
        for name in (name for name, rows in made.items() if not rows):
            made[name].append(failed(name, str(error) or type(error).__name__))
    return made


def parsed() -> argparse.Namespace:
    """The arguments; ends with one line when a name is not known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"rows to measure: {', '.join(ORDER)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few rows and epochs, one run: to see that it works")
    parser.add_argument("--against", type=Path, help="an earlier results.json to compare with")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in ORDER]
    if unknown:
        parser.error(f"no row is called {unknown[0]!r}; there are {', '.join(ORDER)}")
    return arguments


def main() -> None:
    arguments = parsed()
    size: Size = "quick" if arguments.quick else "full"
    earlier = table.read(arguments.against) if arguments.against else None  # before it is written over
    wanted, run, failures = arguments.names or ORDER, this_run(), 0
    before = table.read(RESULTS[size])
    if before["rows"] and before["machine"] != machine():
        print(f"{RESULTS[size]}: is of another machine ({before['machine']}); its rows are dropped")
    for names, measure in GROUPS:
        asked = [name for name in names if name in wanted]
        if not asked:
            continue
        started = time.perf_counter()
        made = measured(asked, measure, size)
        failures += sum(bool(row.failure) for rows in made.values() for row in rows)
        print(f"  ({', '.join(asked)}: {time.perf_counter() - started:.0f} s)", flush=True)
        results = table.merge(table.read(RESULTS[size]), made, machine=machine(), run=run)
        RESULTS[size].parent.mkdir(parents=True, exist_ok=True)
        atomic.write_json(RESULTS[size], results)  # after each group: a run may be ended in between
        atomic.write_text(PAGES[size], table.markdown(results, ORDER, is_quick=arguments.quick))
    print(f"written: {PAGES[size]}, {RESULTS[size]}")
    if earlier is not None:
        print("\n".join(table.compare(results, earlier)))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
