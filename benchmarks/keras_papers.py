"""Comparison with the papers' Keras programs: training speed of the same networks, and the fast recipes."""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from environments import BENCH_DIR, ensure_environment, run_program
from projects import find_datasets, median_rate
from recipe_runs import RecipeRunner, TrainingRun
from rows import NUM_RUNS, Row, Size, median_ratio
from small_datasets import write_small_datasets

SYSTEMS = {"000": "mnist-cnn", "001": "mnist-cnn-deep", "003": "cifar10-cnn"}
"""System -> the recipe with the same network, batch size, optimizer and epochs."""
FAST = {"mnist-fast": "001", "cifar10-fast": "003"}
"""Recipe -> the system whose fit time it is compared with."""
NAMES = (*(f"keras-{system}" for system in SYSTEMS), *FAST)
SHORT_EPOCHS = 3
"""Epochs of the runs after the first, where only the rate is measured."""
FIT = (
    "fit time: for Headrace fit_seconds of metrics/train.json (all epochs with their validation, without start-up), for"
    " Keras the wall time of model.fit (without validation)"
)
ROWS = (
    "Headrace trains on the rows left after cleaning and a validation split, and restores the weights of its best"
    " epoch; Keras trains on all train rows and uses its last epoch; the test rows are the same"
)


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Yields the rows of MNIST, then of CIFAR-10; every program runs once in each round."""
    datasets = find_datasets()
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        if size == "quick":
            datasets = write_small_datasets(datasets, Path(scratch) / "datasets")
        runner = RecipeRunner(Path(scratch), size)
        for systems in (("000", "001"), ("003",)):
            group = [name for name in names if system_of(name) in systems]
            runs = run_rounds(group, datasets, runner)
            yield from (make_row(name, runs) for name in group)


def system_of(name: str) -> str:
    """Returns the system whose Keras program a benchmark compares with."""
    return FAST.get(name) or name.removeprefix("keras-")


def run_rounds(names: list[str], datasets: Path, runner: RecipeRunner) -> dict[str, list[TrainingRun]]:
    """Runs every program once in each round; the keys are systems for Keras and recipes for Headrace."""
    runs: dict[str, list[TrainingRun]] = defaultdict(list)
    for index in range(NUM_RUNS[runner.size]):
        for system in dict.fromkeys(map(system_of, names)):
            source = datasets / ("cifar10/cifar10_jpeg.tar.xz" if system == "003" else "mnist")
            fast_recipes = [name for name in names if FAST.get(name) == system]
            is_full_length = index == 0 or bool(fast_recipes)
            runs[system].append(run_keras(system, source, runner.size, is_full_length=is_full_length))
            if f"keras-{system}" in names:
                epochs = {} if index == 0 else {"max_epochs": SHORT_EPOCHS}
                recipe = SYSTEMS[system]
                runs[recipe].append(runner.run(recipe, source, seed=index, num_workers=0, **epochs))
            for recipe in fast_recipes:
                runs[recipe].append(runner.run(recipe, source, seed=index))
    return runs


def run_keras(system: str, source: Path, size: Size, *, is_full_length: bool) -> TrainingRun:
    """Runs a paper's program once."""
    folder = source if source.is_dir() else source.parent
    epochs = () if is_full_length and size == "full" else (SHORT_EPOCHS,)
    result = run_program(ensure_environment("keras"), BENCH_DIR / "keras_program.py", system, folder, *epochs)
    return TrainingRun(result["fit_seconds"], median_rate(result["rates"]), result["accuracy"], is_full_length)


def make_row(name: str, runs: dict[str, list[TrainingRun]]) -> Row:
    """Returns the row of a benchmark."""
    system = system_of(name)
    programs = {"headrace": runs[name if name in FAST else SYSTEMS[system]], "Keras": runs[system]}
    accuracies = {
        program: [run.accuracy for run in program_runs if run.is_full_length]
        for program, program_runs in programs.items()
    }
    if name in FAST:
        times = {program: [run.fit_seconds for run in program_runs] for program, program_runs in programs.items()}
        return (mnist_fast_row if name == "mnist-fast" else cifar10_fast_row)(times, accuracies)
    rates = {program: [run.rate for run in program_runs] for program, program_runs in programs.items()}
    return Row(
        name,
        f"training, system {system}: images/s relative to the paper's Keras program",
        median_ratio(rates),
        "x",
        target=1.5,
        stretch_target=2.0,
        runs=rates,
        runs_unit="images/s",
        accuracies=accuracies,
        notes="Headrace uses the precision and memory format that it measures as fastest at its start (bfloat16"
        " autocast if the processor supports it), Keras its default, float32; median epoch, without the first; Headrace"
        " trains in the calling process (num_workers 0), both use all cores;"
        " the epoch time of Headrace covers its steps, without validation;"
        f" accuracies are of full-length runs, the other runs have {SHORT_EPOCHS} epochs;"
        f" seeds differ; {ROWS}",
    )


def mnist_fast_row(times: dict[str, list[float]], accuracies: dict[str, list[float]]) -> Row:
    """Compares the fit time to 99.4 % accuracy with that of system 001."""
    return Row(
        "mnist-fast",
        "MNIST to 99.4 %: fit time of recipe mnist-fast relative to Keras 001 (99.1 %)",
        median_ratio(times),
        "x",
        target=0.25,
        lower_is_better=True,
        runs=times,
        runs_unit="s of fitting",
        accuracies=accuracies,
        conditions={"test accuracy at least 99.4 %": statistics.median(accuracies["headrace"]) >= 0.994},  # noqa: PLR2004
        notes=f"{FIT}; another network, schedule, augmentation and precision, chosen for speed; seeds 0, 1, 2; {ROWS}",
    )


def cifar10_fast_row(times: dict[str, list[float]], accuracies: dict[str, list[float]]) -> Row:
    """Returns the accuracy reached within the fit time of system 003."""
    return Row(
        "cifar10-fast",
        "CIFAR-10 (JPEG copies): test accuracy of recipe cifar10-fast within the fit time of Keras 003 (69 %)",
        100 * statistics.median(accuracies["headrace"]),
        "%",
        target=86.0,
        stretch_target=88.0,
        runs=times,
        runs_unit="s of fitting",
        accuracies=accuracies,
        conditions={"fit time at most that of Keras 003": median_ratio(times) <= 1},
        notes=f"{FIT}; another network, schedule, augmentation and precision, chosen for accuracy; seeds 0, 1, 2;"
        f" {ROWS}",
    )
