"""Decides the settings of `train` that are `auto`, by short measurements on train rows before the workers start."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from headrace.contracts import Json
from headrace.errors import DataError
from headrace.storage.checksums import read_signed_json, write_signed_json
from headrace.training.autotune.batch_size import MIN_BATCH_SIZE, find_best_batch_size, list_batch_sizes
from headrace.training.autotune.workload import DEFAULT_BATCH_SIZE, Workload
from headrace.training.fit import FitJob
from headrace.training.resume.checkpoint_store import remove_checkpoints
from headrace.training.settings import ResolvedTrainSettings, TrainSettings

logger = logging.getLogger(__name__)
DECISION = "choice.json"
PLACEHOLDERS: Json = {
    "batch_size": DEFAULT_BATCH_SIZE,
    "learning_rate": 1e-3,
    "precision": "32",
    "memory_format": "contiguous",
}
"""Key of `train` -> its value until it is decided; at this learning rate nothing diverges while steps are timed."""
MIN_SPEEDUP = 1.1
"""Smaller speed-ups over the default (one thread, float32, contiguous) are ignored."""


@dataclass(frozen=True)
class Machine:
    """The hardware of a training."""

    num_workers: int
    """0: the calling process."""
    num_cores: int
    """Cores per worker."""


class Decision(NamedTuple):
    """The settings of a training, without any `auto`."""

    settings: ResolvedTrainSettings
    summary: str
    """What was measured for them, or ""."""


def load_or_decide(work_dir: Path, decide: Callable[[], Decision]) -> Decision:
    """Returns the decision of an earlier start of the same training, or else calls `decide` and saves the result.

    Without a damaged one, what the training had done is removed: measured again, settings may differ.
    """
    path = work_dir / DECISION
    if path.is_file():
        try:
            saved = read_signed_json(path, "the training starts from the beginning")
            return Decision(ResolvedTrainSettings.model_validate(saved["settings"]), saved.get("summary", ""))
        except DataError as error:
            logger.warning("%s", error)
            remove_checkpoints(work_dir)
    decision = decide()
    write_signed_json(path, {"settings": decision.settings.model_dump(), "summary": decision.summary})
    return decision


def decide(wanted: TrainSettings, normalized_dir: Path, machine: Machine, workload: Workload) -> Decision:
    """Decides everything that is `auto`, workers included; measures on the train rows in `normalized_dir`."""
    tuner = AutoTuner(wanted, normalized_dir, machine, workload)
    chosen = dict(tuner.choose()) | {"num_workers": machine.num_workers}
    return Decision(wanted.resolve(**chosen), "; ".join(tuner.clauses))


def find_open_values(wanted: TrainSettings, only: Container[str] = tuple(PLACEHOLDERS)) -> Json:
    """Returns the keys (of `only`) that are `auto`, with their placeholders."""
    return {name: value for name, value in PLACEHOLDERS.items() if name in only and getattr(wanted, name) == "auto"}


def make_first_guess(wanted: TrainSettings, num_rows: int, num_workers: int) -> ResolvedTrainSettings:
    """Returns the settings with a usual value in place of every `auto`."""
    values = find_open_values(wanted)
    if "batch_size" in values:
        fitting = [size for size in list_batch_sizes(num_rows, num_workers) if size <= DEFAULT_BATCH_SIZE]
        values["batch_size"] = max(fitting, default=MIN_BATCH_SIZE * max(num_workers, 1))
    return ResolvedTrainSettings.model_construct(**dict(wanted) | values | {"num_threads": None})


def count_threads(workload: Workload, batch_size: int, machine: Machine) -> int:
    """Returns all cores of the worker, or 1 if the operations on its part of a batch are too small to split."""
    is_large = workload.is_worth_sharing(batch_size // max(machine.num_workers, 1))
    return machine.num_cores if is_large else 1


class AutoTuner:
    """Decides one setting after another, each with the earlier decisions in place.

    Its own values are not validated; `decide` validates the result.
    """

    def __init__(self, wanted: TrainSettings, normalized_dir: Path, machine: Machine, workload: Workload) -> None:
        """Starts from usual values."""
        self._wanted, self._normalized_dir, self._machine, self._workload = wanted, normalized_dir, machine, workload
        self.settings = make_first_guess(wanted, workload.num_rows, machine.num_workers)
        self.clauses: list[str] = []
        """One per decision."""

    def choose(self) -> ResolvedTrainSettings:
        """Returns the settings with everything decided except the workers."""
        self._set(num_threads=self._count_threads(self.settings.batch_size))
        if self._wanted.num_threads == "auto":
            self._choose_threads()
        self._choose_arithmetic()
        if self._wanted.batch_size == "auto":
            self._choose_batch_size()
        if self._wanted.learning_rate == "auto":
            self._choose_learning_rate()
        return self.settings

    def _set(self, **values: float | str) -> None:
        self.settings = self.settings.model_copy(update=values)

    def _count_threads(self, batch_size: int) -> int:
        if isinstance(self._wanted.num_threads, int):
            return self._wanted.num_threads
        return count_threads(self._workload, batch_size, self._machine)

    def _time(self, variants: dict[str, Json]) -> dict[str, float]:
        """Returns the seconds per step of each variant, with one worker's part of the batch in this process."""
        from headrace.training.autotune.timing import Variant, time_steps

        timed = {}
        for name, changes in variants.items():
            settings = self.settings.model_copy(update=changes)
            part = max(settings.batch_size // max(self._machine.num_workers, 1), 1)
            alone = settings.model_copy(update={"batch_size": part, "num_workers": 0})
            timed[name] = Variant(alone, int(settings.num_threads or 1))
        return time_steps(self._normalized_dir, timed)

    def _find_fastest(self, variants: dict[str, Json]) -> tuple[str, float]:
        """Returns the fastest variant, if it is clearly faster than the first, and its speed-up over that one."""
        seconds = self._time(variants)
        first, best = next(iter(variants)), min(seconds, key=seconds.__getitem__)
        speedup = seconds[first] / seconds[best]
        return (best, speedup) if speedup >= MIN_SPEEDUP else (first, 1.0)

    def _choose_threads(self) -> None:
        num_cores = self._machine.num_cores
        counts = sorted(
            {1, num_cores, *(2**power for power in range(1, num_cores.bit_length()) if 2**power < num_cores)}
        )
        best, speedup = self._find_fastest({str(count): {"num_threads": count} for count in counts})
        self._set(num_threads=int(best))
        self.clauses.append(f"num_threads {best}" + (f" ({speedup:.1f} x of one)" if speedup > 1 else ""))

    def _choose_arithmetic(self) -> None:
        """Chooses precision and memory format together, since one may only pay off with the other."""
        open_names = [name for name in ("precision", "memory_format") if getattr(self._wanted, name) == "auto"]
        if not open_names:
            return
        precisions = ["32", "bf16"] if "precision" in open_names else [self.settings.precision]
        formats = ["contiguous", "channels_last"] if "memory_format" in open_names else [self.settings.memory_format]
        variants = {
            f"{precision} {memory_format}": {"precision": precision, "memory_format": memory_format}
            for precision in precisions
            for memory_format in formats
        }
        best, speedup = self._find_fastest(variants)
        self._set(**variants[best])
        values = ", ".join(f"{name} {variants[best][name]}" for name in open_names)
        self.clauses.append(values + (f" ({speedup:.1f} x)" if speedup > 1 else ""))

    def _choose_batch_size(self) -> None:
        def time_size(size: int) -> float:
            return self._time({"": {"batch_size": size, "num_threads": self._threads_for(size)}})[""]

        sizes = list_batch_sizes(self._workload.num_rows, self._machine.num_workers)
        size, rows_per_second = find_best_batch_size(sizes, time_size)
        self._set(batch_size=size, num_threads=self._threads_for(size))
        self.clauses.append(f"batch_size {size} ({rows_per_second:,.0f} rows/s)")

    def _threads_for(self, batch_size: int) -> int:
        """Returns the threads that were timed, or those counted for this batch size."""
        if self._wanted.num_threads == "auto":
            return int(self.settings.num_threads or 1)
        return self._count_threads(batch_size)

    def _choose_learning_rate(self) -> None:
        import torch

        from headrace.training.autotune.lr_range_test import run_range_test

        torch.set_num_threads(int(self.settings.num_threads or 1))
        learning_rate = run_range_test(FitJob(self._normalized_dir, Path(), self.settings))
        self._set(learning_rate=learning_rate)
        self.clauses.append(f"learning_rate {learning_rate:.1e} (range test)")
