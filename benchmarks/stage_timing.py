"""Stage `test` on CIFAR-10, compared with the version that measured no more than quality, slices and noise."""

import os
import shutil
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import clone_commit
from projects import DATA_STAGES, ROOT, find_datasets, read_metrics, time_stage, write_params
from rows import NUM_RUNS, Row, Size, median_ratio
from startup import changed_environment

from headrace.config import read_params

NAMES = ("test-stage",)
EARLIER = "3907990"
"""The commit that is compared: the last one whose `test` had no diagnosis."""
MODEL_STAGES = ("train", "validate", "quantize")
QUICK_COUNTS = [None, 300, 300]


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Trains one model for an epoch, then tests it by both versions, in alternation."""
    del names
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        folder = prepare_project(Path(scratch), size)
        programs = {"headrace": ROOT / "pipeline", EARLIER: clone_commit(EARLIER) / "pipeline"}
        runs: dict[str, list[float]] = {program: [] for program in programs}
        for _ in range(NUM_RUNS[size]):
            for program, package_dir in programs.items():
                changes = {"robustness_rows": 0} if program == "headrace" else {}
                runs[program].append(time_test(folder, package_dir, changes))
        num_rows = read_metrics(folder, "test")["num_rows"]
        with_corruptions = time_test(folder, programs["headrace"], {})
    medians = {program: statistics.median(values) for program, values in runs.items()}
    yield Row(
        "test-stage",
        f"test on {num_rows:,} rows of CIFAR-10, corruptions apart: time relative to {EARLIER}",
        median_ratio(runs),
        "x",
        target=1.5,
        lower_is_better=True,
        runs=runs,
        runs_unit="s",
        notes="network of the recipe cifar10-fast, trained for one epoch; both with noise at three strengths;"
        f" with the corruptions (256 rows, 11 at 5 strengths each) {with_corruptions:.1f} s instead of"
        f" {medians['headrace']:.1f}",
    )


def prepare_project(scratch: Path, size: Size) -> Path:
    """Runs all stages before `test`."""
    sections = read_params(ROOT / "recipes" / "cifar10-fast.yaml")
    sections["ingest"]["source"] = str(find_datasets() / "cifar10" / "cifar10_jpeg.tar.xz")
    sections["validate"] |= {"gate": {}}
    sections["train"] |= {"max_epochs": 1}
    if size == "quick":
        sections["split"]["counts"] = QUICK_COUNTS
    folder = scratch / "project"
    folder.mkdir()
    write_params(folder, sections)
    for stage in (*DATA_STAGES, *MODEL_STAGES):
        time_stage(folder, stage)
    return folder


def time_test(folder: Path, package_dir: Path, changes: dict[str, object]) -> float:
    """Seconds of the stage by the version in `package_dir`; `changes` are settings that only one version has."""
    sections = read_params(folder / "params.yaml")
    sections["test"] = read_params(ROOT / "recipes" / "cifar10-fast.yaml")["test"] | changes
    write_params(folder, sections)
    shutil.rmtree(folder / "reports" / "test", ignore_errors=True)
    with changed_environment({"PYTHONPATH": os.pathsep.join([str(package_dir), os.environ.get("PYTHONPATH", "")])}):
        return time_stage(folder, "test").seconds
