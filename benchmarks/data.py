"""The left half of the pipeline against its bars: time, memory, growth, a plain script, planted faults.

Run by `make bench`, or alone: python benchmarks/data.py [NAME ...].
"""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from planted import plant
from projects import LEFT_HALF, bench_data, metrics, project, run_stage

from headrace.contracts import Spec
from headrace.storage import atomic
from headrace.storage.parquet import read_shards, read_table, write_shards

NUM_RUNS = 3
BASE_ROWS = 7_000


class Row(NamedTuple):
    """One line of the table."""

    what: str
    figure: float
    unit: str
    bar: float
    is_upper: bool = True
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the figure is on the right side of its bar."""
        return self.figure <= self.bar if self.is_upper else self.figure >= self.bar


def left_half(source: Path, what: str, bar: float) -> Row:
    """Seconds of ingest, clean, split and normalize together; the median of several runs."""
    totals, last = [], {}
    for _ in range(NUM_RUNS):
        with project(ingest={"source": str(source)}) as folder:
            last = {stage: run_stage(folder, stage).seconds for stage in LEFT_HALF}
            rows = metrics(folder, "ingest")["rows"]
        totals.append(sum(last.values()))
    told = " ".join(f"{stage} {seconds:.1f}" for stage, seconds in last.items())
    return Row(f"{what}, {rows:,} rows, four stages", statistics.median(totals), "s", bar, note=told)


def mnist(data: Path) -> list[Row]:
    """Full MNIST from its published files."""
    return [left_half(data / "mnist", "MNIST (IDX)", 45)]


def cifar10(data: Path) -> list[Row]:
    """CIFAR-10 from the archive of JPEG copies."""
    return [left_half(data / "cifar10" / "cifar10_jpeg.tar.xz", "CIFAR-10 (JPEG copies, tar.xz)", 90)]


def subset(raw_dir: Path, folder: Path, num_rows: int) -> None:
    """A project's raw rows: the first ones of a larger set."""
    target = folder / "data" / "raw"
    target.mkdir(parents=True)
    taken, batches = 0, []
    for batch in read_shards(raw_dir):
        batches.append(batch.slice(0, min(batch.num_rows, num_rows - taken)))
        taken += batches[-1].num_rows
        if taken == num_rows:
            break
    write_shards(target, batches[0].schema, batches)
    spec = Spec.read(raw_dir).model_copy(update={"num_rows": num_rows})
    atomic.write_text(target / "spec.json", spec.text())


def growth(data: Path) -> list[Row]:
    """How clean's memory and speed go with the rows, the plain script beside it."""
    rows, rates, peaks = [], {1: [], 2: [], 4: [], 8: [], 10: []}, {1: [], 10: []}
    plain, ours = [], []
    with project(ingest={"source": str(data / "mnist")}) as whole:
        run_stage(whole, "ingest")
        raw_dir = whole / "data" / "raw"
        for _ in range(NUM_RUNS):
            for factor, found in rates.items():
                with project() as folder:
                    subset(raw_dir, folder, factor * BASE_ROWS)
                    done = run_stage(folder, "clean")
                    found.append(factor * BASE_ROWS / done.seconds)
                    if factor in peaks:
                        peaks[factor].append(done.peak_mb)
                    if factor == 4:  # noqa: PLR2004
                        ours.append(done.seconds)
                        plain.append(script(folder))
    median_rates = {factor: statistics.median(found) for factor, found in rates.items()}
    best, last = max(median_rates[factor] for factor in (1, 2, 4)), median_rates[8]
    seconds = {factor: factor * BASE_ROWS / rate for factor, rate in median_rates.items()}
    added = 6 * BASE_ROWS / (seconds[10] - seconds[4])
    told = " ".join(f"{factor}x {rate:,.0f}" for factor, rate in median_rates.items())
    told += f" rows/s; of the rows added from 4x to 10x {added:,.0f}: starting up and the bounded checks left aside"
    rows.append(Row("clean: fall of rows/s at 8x the rows", 1 - last / best, "", 0.15, note=told))
    low, high = (statistics.median(peaks[factor]) for factor in (1, 10))
    rows.append(Row("clean: peak memory at 10x the rows", high / low, "x", 1.3, note=f"{low:.0f} -> {high:.0f} MB"))
    ratio = statistics.median(plain) / statistics.median(ours)
    told = f"{statistics.median(plain):.1f} against {statistics.median(ours):.1f} s, {4 * BASE_ROWS:,} rows"
    rows.append(Row("clean: speed against a plain script", ratio, "x", 2, is_upper=False, note=told))
    return rows


def script(folder: Path) -> float:
    """Seconds that the plain script takes over a project's raw rows."""
    started = time.perf_counter()
    command = [sys.executable, str(Path(__file__).parent / "plain_clean.py"), str(folder / "data" / "raw")]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def planted(_: Path) -> list[Row]:
    """What clean finds of faults planted into the 5,000 packaged digits."""
    with project(clean={"checks": {"rare_class": "off"}}) as folder:
        truth = plant(folder / "digits")
        (folder / "params.yaml").write_text('{"ingest": {"source": "digits", "format": "folder"}}')
        for stage in ("ingest", "clean"):
            run_stage(folder, stage)
        out = read_table(folder / "data" / "quarantine").to_pylist()
        raw = {
            row["row_id"]: row["path"] for row in read_table(folder / "data" / "raw", ["row_id", "path"]).to_pylist()
        }
        told = pq.read_table(folder / "data" / "clean" / "findings.parquet").to_pylist()
        shutil.rmtree(folder / "digits")
    found = {check: {row["path"] for row in out if check in row["check"]} for check in ("undecodable", "duplicate")}
    near, wrong = (
        {raw[row["row_id"]] for row in told if row["check"] == check} for check in ("near_duplicate", "label_error")
    )
    pairs = truth["near"]
    is_near = [bool({copy, original} & (near | found["duplicate"])) for copy, original in pairs.items()]
    num_clean = 5_000 - len(truth["flipped"])
    exact = [bool({copy, original} & found["duplicate"]) for copy, original in truth["exact"].items()]
    recall = len(wrong & truth["flipped"]) / len(truth["flipped"])
    alarms = len(wrong - truth["flipped"]) / num_clean
    strays = len(near - set(pairs) - set(pairs.values())) / num_clean
    return [
        Row(
            "planted: broken images found",
            len(truth["broken"] & found["undecodable"]) / len(truth["broken"]),
            "",
            1,
            is_upper=False,
        ),
        Row("planted: exact duplicates found", sum(exact) / len(exact), "", 1, is_upper=False),
        Row(
            "planted: near-duplicates found",
            sum(is_near) / len(is_near),
            "",
            0.9,
            is_upper=False,
            note=f"others told {strays:.2%}",
        ),
        Row("planted: flipped labels found", recall, "", 0.7, is_upper=False),
        Row("planted: false alarms of label errors", alarms, "", 0.02),
    ]


BENCHES = {"mnist": mnist, "cifar10": cifar10, "growth": growth, "planted": planted}


def main() -> None:
    data = bench_data()
    wanted = [name for name in sys.argv[1:] if name in BENCHES] or list(BENCHES)
    rows = [row for name in wanted if data or name == "planted" for row in BENCHES[name](data or Path())]
    print(f"{'what':<58}{'figure':>10}  {'bar':>9}")
    for row in rows:
        sign = "<=" if row.is_upper else ">="
        print(
            f"{row.what:<58}{row.figure:>9.3g}{row.unit:<2} {sign}{row.bar:>6g}{row.unit:<2} "
            f"{'' if row.is_met else 'MISSED '}{row.note}"
        )
    path = Path(__file__).parent / "results-data.json"
    atomic.write_json(
        path, {"rows": [row._asdict() | {"is_met": row.is_met} for row in rows], "pyarrow": {"version": pa.__version__}}
    )


if __name__ == "__main__":
    main()
