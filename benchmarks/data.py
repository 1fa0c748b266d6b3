"""The data stages: time, memory, growth with the rows, a plain script for comparison, planted errors.

Measured by run.py, or alone without writing results: python benchmarks/data.py [mnist] [cifar10] [growth] [planted].
"""

import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
from environments import BENCH_DIR
from planted_errors import NUM_ROWS, write_digits_with_errors
from projects import DATA_STAGES, ROOT, TimedProcess, find_datasets, monitor_stage, read_metrics, temporary_project
from report import format_row
from rows import NUM_RUNS, Row, Size

from headrace.contracts import Spec
from headrace.storage import atomic
from headrace.storage.parquet import read_shards, read_table, write_shards

NAMES = ("data",)
BASE_ROWS = 7_000
GROWTH_FACTORS = (1, 2, 4, 8, 10)
SCRIPT_FACTOR = 4
"""Multiple of BASE_ROWS that the plain script cleans."""


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Yields the rows of all parts; only of the planted errors in a quick run or without the real datasets."""
    del names
    return measure_parts(["planted"] if size == "quick" else list(PARTS))


def measure_parts(parts: Sequence[str]) -> Iterator[Row]:
    """Yields the rows of some parts; parts that need the real datasets are skipped if there are none."""
    if "HEADRACE_BENCH_DATA" not in os.environ:
        print("HEADRACE_BENCH_DATA is not set: only the planted errors are measured")
        parts = [part for part in parts if part == "planted"]
    for part in parts:
        yield from PARTS[part]()


def measure_mnist() -> Iterator[Row]:
    """Measures full MNIST from its published files."""
    yield measure_stages(find_datasets() / "mnist", "MNIST (IDX)", target=45)


def measure_cifar10() -> Iterator[Row]:
    """Measures CIFAR-10 from the archive of JPEG copies."""
    source = find_datasets() / "cifar10" / "cifar10_jpeg.tar.xz"
    yield measure_stages(source, "CIFAR-10 (JPEG copies, tar.xz)", target=90)


def measure_stages(source: Path, title: str, *, target: float) -> Row:
    """Returns the median seconds of ingest, clean, split and normalize together."""
    totals, seconds = [], {}
    for _ in range(NUM_RUNS["full"]):
        with temporary_project(ingest={"source": str(source)}) as folder:
            seconds = {stage: monitor_stage(folder, stage).seconds for stage in DATA_STAGES}
            num_rows = read_metrics(folder, "ingest")["rows"]
        totals.append(sum(seconds.values()))
    notes = "seconds of the last run: " + ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    return make_row(f"{title}, {num_rows:,} rows, four stages", statistics.median(totals), "s", target, notes=notes)


def measure_growth() -> Iterator[Row]:
    """Measures how the speed and memory of clean change with the rows, and the speed of the plain script."""
    rates: dict[int, list[float]] = {factor: [] for factor in GROWTH_FACTORS}
    peaks: dict[int, list[float]] = {factor: [] for factor in GROWTH_FACTORS}
    script_times, clean_times = [], []
    with temporary_project(ingest={"source": str(find_datasets() / "mnist")}) as full_project:
        monitor_stage(full_project, "ingest")
        for _ in range(NUM_RUNS["full"]):
            for factor in GROWTH_FACTORS:
                with temporary_project() as folder:
                    raw_dir = folder / "data" / "raw"
                    copy_first_rows(full_project / "data" / "raw", raw_dir, factor * BASE_ROWS)
                    process = monitor_stage(folder, "clean")
                    rates[factor].append(factor * BASE_ROWS / process.seconds)
                    peaks[factor].append(process.peak_mb)
                    if factor == SCRIPT_FACTOR:
                        clean_times.append(process.seconds)
                        script = [sys.executable, str(BENCH_DIR / "plain_clean.py"), str(raw_dir)]
                        script_times.append(TimedProcess(script, ROOT).seconds)
    yield make_growth_row({factor: statistics.median(values) for factor, values in rates.items()})
    low, high = (statistics.median(peaks[factor]) for factor in (1, 10))
    yield make_row("clean: peak memory at 10x the rows", high / low, "x", 1.3, notes=f"{low:.0f} -> {high:.0f} MB")
    script_s, clean_s = statistics.median(script_times), statistics.median(clean_times)
    notes = f"script {script_s:.1f} s, clean {clean_s:.1f} s, {SCRIPT_FACTOR * BASE_ROWS:,} rows"
    title = "clean: speed relative to a plain script"
    yield make_row(title, script_s / clean_s, "x", 2, lower_is_better=False, notes=notes)


def copy_first_rows(source: Path, target: Path, num_rows: int) -> None:
    """Writes the first rows of a `data/raw` folder to another project's."""
    target.mkdir(parents=True)
    copied, batches = 0, []
    for batch in read_shards(source):
        batches.append(batch.slice(0, min(batch.num_rows, num_rows - copied)))
        copied += batches[-1].num_rows
        if copied == num_rows:
            break
    write_shards(target, batches[0].schema, batches)
    spec = Spec.read(source).model_copy(update={"num_rows": num_rows})
    atomic.write_text(target / "spec.json", spec.to_json())


def make_growth_row(rates: dict[int, float]) -> Row:
    """Compares the rows per second at 8 times the rows with the best at up to 4 times; `rates`: factor -> rows/s."""
    seconds = {factor: factor * BASE_ROWS / rate for factor, rate in rates.items()}
    added_rate = (10 - 4) * BASE_ROWS / (seconds[10] - seconds[4])
    notes = ", ".join(f"{factor}x {rate:,.0f}" for factor, rate in rates.items())
    notes += f" rows/s; {added_rate:,.0f} rows/s for the rows added from 4x to 10x,"
    notes += " without start-up and checks of bounded cost"
    drop = 1 - rates[8] / max(rates[factor] for factor in (1, 2, 4))
    return make_row("clean: drop in rows/s at 8x the rows", drop, "", 0.15, notes=notes)


def measure_planted() -> Iterator[Row]:
    """Measures how many of the errors planted into 5,000 digits clean detects."""
    with temporary_project(ingest={"source": "digits", "format": "folder"}) as folder:
        errors = write_digits_with_errors(folder / "digits")
        for stage in ("ingest", "clean"):
            monitor_stage(folder, stage)
        reported = read_reported_paths(folder)
    duplicates, near_duplicates, label_errors = (
        reported[check] for check in ("duplicate", "near_duplicate", "label_error")
    )
    exact = [bool({copy, original} & duplicates) for copy, original in errors.exact.items()]
    near = [bool({copy, original} & (near_duplicates | duplicates)) for copy, original in errors.near.items()]
    broken_recall = len(errors.broken & reported["undecodable"]) / len(errors.broken)
    label_recall = len(label_errors & errors.flipped) / len(errors.flipped)
    num_correct = NUM_ROWS - len(errors.flipped)
    false_positives = len(label_errors - errors.flipped) / num_correct
    others = len(near_duplicates - set(errors.near) - set(errors.near.values())) / num_correct
    at_least = partial(make_row, unit="", lower_is_better=False)
    yield at_least("planted: broken images found", broken_recall, target=1)
    yield at_least("planted: exact duplicates found", sum(exact) / len(exact), target=1)
    notes = f"{others:.2%} of the other rows are also reported"
    yield at_least("planted: near-duplicates found", sum(near) / len(near), target=0.9, notes=notes)
    yield at_least("planted: flipped labels found", label_recall, target=0.7)
    yield make_row("planted: false positives of label errors", false_positives, "", 0.02)


def read_reported_paths(folder: Path) -> dict[str, set[str]]:
    """Returns the image paths that clean reported, by check; rejected rows for the checks that reject."""
    raw = read_table(folder / "data" / "raw", ["row_id", "path"]).to_pylist()
    paths = {row["row_id"]: row["path"] for row in raw}
    rejected = read_table(folder / "data" / "quarantine").to_pylist()
    findings = pq.read_table(folder / "data" / "clean" / "findings.parquet").to_pylist()
    reported = {
        check: {row["path"] for row in rejected if check in row["check"]} for check in ("undecodable", "duplicate")
    }
    for check in ("near_duplicate", "label_error"):
        reported[check] = {paths[finding["row_id"]] for finding in findings if finding["check"] == check}
    return reported


def make_row(
    title: str, value: float, unit: str, target: float, *, lower_is_better: bool = True, notes: str = ""
) -> Row:
    """Returns a row of the benchmark `data`."""
    return Row(f"data: {title}", title, value, unit, target=target, lower_is_better=lower_is_better, notes=notes)


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "mnist": measure_mnist,
    "cifar10": measure_cifar10,
    "growth": measure_growth,
    "planted": measure_planted,
}


def main() -> None:
    for row in measure_parts([name for name in sys.argv[1:] if name in PARTS] or list(PARTS)):
        print(format_row(row), flush=True)


if __name__ == "__main__":
    main()
