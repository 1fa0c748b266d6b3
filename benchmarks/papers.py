"""Against the papers' programs in Keras: their networks in turn with ours, and the fast recipes against their time."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from contestants import Kitchen, Run
from cut import cut
from environments import BENCH_DIR, python_of, run_program
from projects import bench_data, steady
from rows import NUM_RUNS, Row, Size, ratio

SYSTEMS = {"000": "mnist-cnn", "001": "mnist-cnn-deep", "003": "cifar10-cnn"}
"""System -> the recipe of the same network, batch size, optimizer and epochs."""
FAST = {"mnist-fast": "001", "cifar10-fast": "003"}
"""Recipe -> the system whose fit time it is held against."""
NAMES = (*(f"keras-{system}" for system in SYSTEMS), *FAST)
CUT_EPOCHS = 3
"""Of the runs after the first, where only the rate is asked for."""
KERAS = "Keras"
FIT = (
    "fit time: ours is fit_seconds of metrics/train.json (all epochs with their validation, no start-up), Keras' the"
    " wall time of model.fit (it validates nothing)"
)
ROWS = (
    "ours trains on what cleaning and a validation split leave and keeps its best epoch's weights, Keras trains on all"
    " train rows and keeps its last; the test rows are the same"
)


class Runs(NamedTuple):
    """Of one contestant: all for rates and times, those trained to their end for accuracies."""

    all: list[Run]
    whole: list[Run]

    def add(self, run: Run, *, is_whole: bool) -> None:
        """Keeps a run."""
        self.all.append(run)
        if is_whole:
            self.whole.append(run)


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """MNIST's rows, then CIFAR-10's: in each round every contestant once."""
    data = bench_data()
    if data is None:
        raise RuntimeError("HEADRACE_BENCH_DATA is not set")
    with TemporaryDirectory(prefix="headrace-bench-") as scratch:
        sources = cut(data, Path(scratch) / "cut") if size == "quick" else data
        kitchen = Kitchen(Path(scratch), size)
        for systems in (("000", "001"), ("003",)):
            wanted = [name for name in names if system_of(name) in systems]
            runs = rounds(wanted, sources, kitchen)
            yield from (row(name, runs) for name in wanted)


def system_of(name: str) -> str:
    """The Keras program that a row is measured against."""
    return FAST.get(name) or name.removeprefix("keras-")


def rounds(names: list[str], sources: Path, kitchen: Kitchen) -> dict[str, Runs]:
    """Runs each contestant once a round; Keras' are keyed by system, ours by recipe."""
    runs: dict[str, Runs] = {}
    for index in range(NUM_RUNS[kitchen.size]):
        for system in dict.fromkeys(map(system_of, names)):
            source = sources / ("cifar10/cifar10_jpeg.tar.xz" if system == "003" else "mnist")
            is_whole = index == 0 or any(FAST.get(name) == system for name in names)
            told = keras(system, source, is_whole=is_whole and kitchen.size == "full")
            runs.setdefault(system, Runs([], [])).add(told, is_whole=is_whole)
            if f"keras-{system}" in names:
                epochs = {} if index == 0 else {"max_epochs": CUT_EPOCHS}
                ours = kitchen.cook(SYSTEMS[system], source, seed=index, num_workers=0, **epochs)
                runs.setdefault(SYSTEMS[system], Runs([], [])).add(ours, is_whole=index == 0)
            for fast in (name for name in names if FAST.get(name) == system):
                runs.setdefault(fast, Runs([], [])).add(kitchen.cook(fast, source, seed=index), is_whole=True)
    return runs


def keras(system: str, source: Path, *, is_whole: bool) -> Run:
    """One run of a paper's program."""
    folder = source if source.is_dir() else source.parent
    epochs = () if is_whole else (CUT_EPOCHS,)
    told = run_program(python_of("keras"), BENCH_DIR / "keras_programs.py", system, folder, *epochs)
    return Run(told["fit_seconds"], steady(told["rates"]), told["accuracy"], told["fit_seconds"])


def row(name: str, runs: dict[str, Runs]) -> Row:
    """One line of the table."""
    system = system_of(name)
    theirs = runs[system]
    ours = runs[name if name in FAST else SYSTEMS[system]]
    sides = {"headrace": ours, KERAS: theirs}
    accuracies = {side: [run.accuracy for run in found.whole] for side, found in sides.items()}
    times = {side: [run.fit_seconds for run in found.all] for side, found in sides.items()}
    if name == "mnist-fast":
        return mnist_fast(times, accuracies)
    if name == "cifar10-fast":
        return cifar10_fast(times, accuracies)
    rates = {side: [run.rate for run in found.all] for side, found in sides.items()}
    return Row(
        name,
        f"training, system {system}: images/s against the paper's Keras program",
        ratio(rates),
        "x",
        bar=1.5,
        aim=2.0,
        runs=rates,
        runs_unit="images/s",
        accuracies=accuracies,
        unequal="ours in the precision and memory format that it found quickest at its start (bfloat16 autocast where"
        " the processor has it), Keras in float32, its default;"
        " median epoch, the first left out; ours in the calling process (num_workers 0), all cores for both;"
        " our epoch's time is that of its steps, without its validation;"
        f" accuracies of the runs of all epochs, others are cut to {CUT_EPOCHS};"
        f" seeds differ; {ROWS}",
    )


def mnist_fast(times: dict[str, list[float]], accuracies: dict[str, list[float]]) -> Row:
    """Fit time to 99.4 % against 001's."""
    return Row(
        "mnist-fast",
        "MNIST to 99.4 %: fit time of recipe mnist-fast, by that of Keras 001 (99.1 %)",
        ratio(times),
        "x",
        bar=0.25,
        is_upper=True,
        runs=times,
        runs_unit="s of fitting",
        accuracies=accuracies,
        conditions={"test accuracy at least 99.4 %": statistics.median(accuracies["headrace"]) >= 0.994},  # noqa: PLR2004
        unequal=f"{FIT}; another network, schedule, augmentation and precision, chosen for speed; seeds 0, 1, 2;"
        f" {ROWS}",
    )


def cifar10_fast(times: dict[str, list[float]], accuracies: dict[str, list[float]]) -> Row:
    """Accuracy within 003's fit time."""
    return Row(
        "cifar10-fast",
        "CIFAR-10 (JPEG copies): test accuracy of recipe cifar10-fast within the fit time of Keras 003 (69 %)",
        100 * statistics.median(accuracies["headrace"]),
        "%",
        bar=86.0,
        aim=88.0,
        runs=times,
        runs_unit="s of fitting",
        accuracies=accuracies,
        conditions={"fit time at most Keras 003's": ratio(times) <= 1},
        unequal=f"{FIT}; another network, schedule, augmentation and precision, chosen for the accuracy; seeds 0, 1, 2;"
        f" {ROWS}",
    )
