"""End to end on Adult's tables: from the published files to an accuracy on test rows, against Ludwig."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from cut import cut
from environments import BENCH_DIR, python_of, run_program
from projects import LEFT_HALF, ROOT, bench_data, metrics, project, time_stage
from rows import NUM_RUNS, Row, Size, ratio

from headrace.config import read_params

NAMES = ("ludwig",)
OURS, THEIRS = "headrace", "Ludwig"
STAGES = (*LEFT_HALF, "train", "validate", "test")


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """The recipe adult and a program of Ludwig's, in turn."""
    del names
    data = bench_data()
    if data is None:
        raise RuntimeError("HEADRACE_BENCH_DATA is not set")
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        source = (cut(data, Path(scratch) / "cut") if size == "quick" else data) / "tabular" / "adult"
        seconds: dict[str, list[float]] = {THEIRS: [], OURS: []}
        accuracies: dict[str, list[float]] = {OURS: [], THEIRS: []}
        for seed in range(NUM_RUNS[size]):
            for side, run in ((OURS, ours), (THEIRS, theirs)):
                took, accuracy = run(source, seed, size)
                seconds[side].append(took)
                accuracies[side].append(accuracy)
    yield Row(
        "ludwig",
        "Adult, published files to a tested model: Ludwig's wall time by ours",
        ratio(seconds),
        "x",
        runs=seconds,
        runs_unit="s",
        accuracies=accuracies,
        unequal="no bar; both 12 epochs at most of batches of 256, the survey's weight left out, weights of the lowest"
        " validation loss, official test rows."
        " Ours: seven stages, a process each, with cleaning, its report, an exported graph, calibration and tracking;"
        " Ludwig: one process, its own defaults for network, optimizer and validation split. It is installed beside"
        " a torch for CPUs, while torchvision and torchaudio, which it imports, come for CUDA only: its program"
        " defines two of torchvision's operators and passes over torchaudio's library, which no table needs",
    )


def ours(source: Path, seed: int, size: Size) -> tuple[float, float]:
    """Wall seconds of the stages, and test accuracy."""
    sections = read_params(ROOT / "recipes" / "adult.yaml")
    sections["ingest"] |= {"source": str(source), "format": "adult"}
    sections["validate"] |= {"gate": {}}
    sections["train"] |= {"seed": seed, "max_epochs": num_epochs(size)}
    with project(**sections) as folder:
        seconds = sum(time_stage(folder, stage).seconds for stage in STAGES)
        return seconds, metrics(folder, "test")["accuracy"]


def theirs(source: Path, seed: int, size: Size) -> tuple[float, float]:
    """Wall seconds of the program, and test accuracy; its seed is its own."""
    del seed
    python = python_of("ludwig")
    started = time.perf_counter()
    told = run_program(python, BENCH_DIR / "ludwig_program.py", source, num_epochs(size))
    return time.perf_counter() - started, told["accuracy"]


def num_epochs(size: Size) -> int:
    """Of the recipe adult, or few."""
    return 12 if size == "full" else 2
