"""From Adult's published files to an accuracy on test rows, compared with Ludwig."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import BENCH_DIR, ensure_environment, run_program
from projects import ROOT, find_datasets, read_metrics, write_params
from rows import NUM_RUNS, Row, Size, median_ratio
from small_datasets import write_small_datasets
from startup import run, time_command

from headrace.config import read_params

NAMES = ("ludwig",)
NUM_EPOCHS: dict[Size, int] = {"full": 12, "quick": 2}


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Runs the recipe adult and a Ludwig program, in alternation."""
    del names
    datasets = find_datasets()
    seconds: dict[str, list[float]] = {"Ludwig": [], "headrace": []}
    accuracies: dict[str, list[float]] = {"headrace": [], "Ludwig": []}
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        if size == "quick":
            datasets = write_small_datasets(datasets, Path(scratch))
        source = datasets / "tabular" / "adult"
        for seed in range(NUM_RUNS[size]):
            for program, run in (("headrace", run_headrace), ("Ludwig", run_ludwig)):
                run_seconds, accuracy = run(source, seed, NUM_EPOCHS[size])
                seconds[program].append(run_seconds)
                accuracies[program].append(accuracy)
    yield Row(
        "ludwig",
        "Adult, published files to a tested model: Ludwig's wall time relative to Headrace",
        median_ratio(seconds),
        "x",
        target=1.3,
        runs=seconds,
        runs_unit="s",
        accuracies=accuracies,
        notes="both train at most 12 epochs with batches of 256, without the survey weight, restore the"
        " weights of the lowest validation loss, and use the official test rows. Headrace: dvc repro test,"
        " including cleaning with its report, an exported graph, calibration and tracking. Ludwig: one"
        " process with its default network, optimizer and validation split. It is installed with a CPU build of torch,"
        " while torchvision and torchaudio, which it imports, are CUDA builds: its program defines two operators of"
        " torchvision and skips torchaudio's native library, which tables do not need",
    )


def run_headrace(source: Path, seed: int, num_epochs: int) -> tuple[float, float]:
    """Returns the wall seconds of `dvc repro test`, and the test accuracy."""
    sections = read_params(ROOT / "recipes" / "adult.yaml")
    sections["ingest"] |= {"source": str(source), "format": "adult"}
    sections["validate"] |= {"gate": {}}
    sections["train"] |= {"seed": seed, "max_epochs": num_epochs}
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        folder = Path(scratch) / "project"
        run(["headrace", "init", folder, "--recipe", "wine"], Path(scratch))
        write_params(folder, sections)
        return time_command(["dvc", "repro", "test"], folder)["wall"], read_metrics(folder, "test")["accuracy"]


def run_ludwig(source: Path, seed: int, num_epochs: int) -> tuple[float, float]:
    """Returns the wall seconds of the program, and the test accuracy; Ludwig uses its own seed."""
    del seed
    python = ensure_environment("ludwig")
    started = time.perf_counter()
    result = run_program(python, BENCH_DIR / "ludwig_program.py", source, num_epochs)
    return time.perf_counter() - started, result["accuracy"]
