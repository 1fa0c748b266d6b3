"""Decides what `train` leaves to `auto`, by short measurements on train rows before the workers start.

What was decided for a training, kept beside its resume state: one that was killed goes on with the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.contracts import Json
from headrace.storage.atomic import write_json
from headrace.training.autotune.batch_size import SMALLEST, largest_that_pays, sizes_to_try
from headrace.training.autotune.workload import USUAL_BATCH_SIZE, Workload
from headrace.training.fit import FitJob
from headrace.training.settings import ResolvedTrainSettings, TrainSettings

PLACEHOLDER: Json = {
    "batch_size": USUAL_BATCH_SIZE,
    "learning_rate": 1e-3,
    "precision": "32",
    "memory_format": "contiguous",
}
"""What stands for a value until it is decided; a rate at which nothing diverges while steps are timed."""
LEAST_GAIN = 1.1
"""What is not the plain way (one thread, float32, contiguous) must be so many times quicker."""


@dataclass(frozen=True)
class Machine:
    """What the training runs on."""

    num_workers: int
    """0: the calling process."""
    most_threads: int
    """Cores of a worker."""


def open_values(wanted: TrainSettings, only: Container[str] = tuple(PLACEHOLDER)) -> Json:
    """Keys (of `only`) that are to be decided by training, with what stands for them until then."""
    return {name: value for name, value in PLACEHOLDER.items() if name in only and getattr(wanted, name) == "auto"}


def first_guess(wanted: TrainSettings, num_rows: int, num_workers: int) -> ResolvedTrainSettings:
    """The settings with a usual value wherever one is `auto`."""
    values, unknown = wanted.model_dump(), open_values(wanted)
    if "batch_size" in unknown:
        fitting = [size for size in sizes_to_try(num_rows, num_workers) if size <= USUAL_BATCH_SIZE]
        unknown["batch_size"] = max(fitting, default=SMALLEST * max(num_workers, 1))
    return ResolvedTrainSettings.model_validate({**values, **unknown, "num_threads": None})


def counted_threads(workload: Workload, batch_size: int, machine: Machine) -> int:
    """All cores of the worker, or one where the operations on its share of a batch are too small to share."""
    is_large = workload.is_worth_sharing(batch_size // max(machine.num_workers, 1))
    return machine.most_threads if is_large else 1


def decide(wanted: TrainSettings, job: FitJob, machine: Machine, workload: Workload) -> Json:
    """`settings` with every `auto` replaced, the workers too, and `told`: a line on what was measured, or empty.

    `job` tells where the rows are; its settings are not used.
    """
    chooser = AutoTuner(wanted, job, machine, workload)
    settings = chooser.choose().model_dump() | {"num_workers": machine.num_workers}
    return {"settings": settings, "told": "; ".join(chooser.told)}


class AutoTuner:
    """Decides one setting after the other, each with those before it in place."""

    def __init__(self, wanted: TrainSettings, job: FitJob, machine: Machine, workload: Workload) -> None:
        """Begins with usual values."""
        self._wanted, self._job, self._machine, self._workload = wanted, job, machine, workload
        self.settings = first_guess(wanted, workload.num_rows, machine.num_workers)
        self.told: list[str] = []
        """One clause a decision."""

    def choose(self) -> ResolvedTrainSettings:
        """The settings with nothing left to decide but the workers."""
        self._set(num_threads=self._threads(self.settings.batch_size))
        if self._wanted.num_threads == "auto":
            self._choose_threads()
        self._choose_arithmetic()
        if self._wanted.batch_size == "auto":
            self._choose_batch_size()
        if self._wanted.learning_rate == "auto":
            self._choose_rate()
        return self.settings

    def _set(self, **values: float | str) -> None:
        self.settings = ResolvedTrainSettings.model_validate(self.settings.model_dump() | values)

    def _threads(self, batch_size: int) -> int:
        if isinstance(self._wanted.num_threads, int):
            return self._wanted.num_threads
        return counted_threads(self._workload, batch_size, self._machine)

    def _share(self, settings: ResolvedTrainSettings) -> ResolvedTrainSettings:
        """What one worker sees: the measurements run in one process."""
        share = max(settings.batch_size // max(self._machine.num_workers, 1), 1)
        return ResolvedTrainSettings.model_validate(settings.model_dump() | {"batch_size": share, "num_workers": 0})

    def _seconds(self, ways: dict[str, Json]) -> dict[str, float]:
        from headrace.training.autotune.timing import Variant, seconds_a_step

        made = {}
        for name, changes in ways.items():
            settings = ResolvedTrainSettings.model_validate(self.settings.model_dump() | changes)
            made[name] = Variant(self._share(settings), int(settings.num_threads or 1))
        return seconds_a_step(self._job, made)

    def _quickest(self, ways: dict[str, Json]) -> tuple[str, float]:
        """The quickest way, if it is clearly quicker than the first, and how many times quicker it is."""
        seconds = self._seconds(ways)
        plain, best = next(iter(ways)), min(seconds, key=seconds.__getitem__)
        gain = seconds[plain] / seconds[best]
        return (best, gain) if gain >= LEAST_GAIN else (plain, 1.0)

    def _choose_threads(self) -> None:
        most = self._machine.most_threads
        counts = sorted({1, most, *(2**power for power in range(1, most.bit_length()) if 2**power < most)})
        found, gain = self._quickest({str(count): {"num_threads": count} for count in counts})
        self._set(num_threads=int(found))
        self.told.append(f"num_threads {found}" + (f" ({gain:.1f} x of one)" if gain > 1 else ""))

    def _choose_arithmetic(self) -> None:
        """Precision and memory format together, since one may pay only with the other."""
        open_names = [name for name in ("precision", "memory_format") if getattr(self._wanted, name) == "auto"]
        if not open_names:
            return
        precisions = ["32", "bf16"] if "precision" in open_names else [self.settings.precision]
        formats = ["contiguous", "channels_last"] if "memory_format" in open_names else [self.settings.memory_format]
        ways = {
            f"{precision} {memory}": {"precision": precision, "memory_format": memory}
            for precision in precisions
            for memory in formats
        }
        found, gain = self._quickest(ways)
        self._set(**ways[found])
        clauses = [f"{name} {ways[found][name]}" for name in open_names]
        self.told.append(", ".join(clauses) + (f" ({gain:.1f} x)" if gain > 1 else ""))

    def _choose_batch_size(self) -> None:
        def seconds(size: int) -> float:
            return self._seconds({"": {"batch_size": size, "num_threads": self._threads_at(size)}})[""]

        size, rate = largest_that_pays(sizes_to_try(self._workload.num_rows, self._machine.num_workers), seconds)
        self._set(batch_size=size, num_threads=self._threads_at(size))
        self.told.append(f"batch_size {size} ({rate:,.0f} rows/s)")

    def _threads_at(self, batch_size: int) -> int:
        """Those that were timed stay; those that are counted go with the batch."""
        return int(self.settings.num_threads or 1) if self._wanted.num_threads == "auto" else self._threads(batch_size)

    def _choose_rate(self) -> None:
        import torch

        from headrace.training.autotune.lr_range_test import range_test

        torch.set_num_threads(int(self.settings.num_threads or 1))
        job = replace(self._job, settings=self.settings.model_dump())
        rate = range_test(job, self.settings)
        self._set(learning_rate=rate)
        self.told.append(f"learning_rate {rate:.1e} (range test)")


CHOICE = "choice.json"


def load_or_decide(work_dir: Path, decide: Callable[[], Json]) -> Json:
    """What an earlier start of the same training decided, or what `decide` says now."""
    path = work_dir / CHOICE
    if not path.is_file():
        write_json(path, decide())
    found: Json = json.loads(path.read_bytes())
    return found
