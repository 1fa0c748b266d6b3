"""The journal of a search: one file per finished trial, so that an interrupted search resumes with the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune import Callback

from headrace.cluster.hyperparameter_search import Search
from headrace.contracts import Json
from headrace.errors import DataError
from headrace.storage.checksums import read_signed_json, write_signed_json
from headrace.training.reporting.events import validation_metrics
from headrace.training.search.trials import ERROR, make_trial_record

logger = logging.getLogger(__name__)


class Journal:
    """The finished trials and their results. Only the searching process writes it."""

    def __init__(self, folder: Path, wanted: Search, report: Callable[[Json], None]) -> None:
        """Loads the finished trials; `report` is called with each further one, as in `trials`, plus its `index`."""
        self._folder, self._wanted, self._report = folder, wanted, report
        self._running: dict[int, list[Json]] = {}
        self._ended: dict[int, Json] = {}
        for index in range(len(wanted.trials)):
            if self._path(index).is_file():
                self._read(index)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:04d}.json"

    def _read(self, index: int) -> None:
        try:
            self._ended[index] = read_signed_json(self._path(index), "the trial is repeated")
        except DataError as error:
            logger.warning("%s", error)

    def open_trials(self) -> list[int]:
        """Returns the indices of unfinished trials."""
        return [index for index in range(len(self._wanted.trials)) if index not in self._ended]

    def histories(self) -> dict[int, list[Json]]:
        """Returns the per-epoch metrics of each finished trial."""
        return {index: ended["history"] for index, ended in self._ended.items()}

    def trials(self) -> list[Json]:
        """Returns all trials in order, in the format of `reports/tune.json`."""
        return [self._ended[index]["trial"] for index in sorted(self._ended)]

    def add(self, index: int, epoch: Json) -> None:
        """Records the metrics of an epoch."""
        self._running.setdefault(index, []).append({"epoch": epoch["epoch"], **validation_metrics(epoch)})

    def close(self, index: int, error: str = "") -> None:
        """Stores a finished trial."""
        history = self._running.pop(index, [])
        trial = make_trial_record(self._wanted.trials[index], history, self._wanted.metric, error)
        self._ended[index] = {"trial": trial, "history": history}
        write_signed_json(self._path(index), self._ended[index])
        self._report({"index": index, **trial})

    def callback(self) -> Callback:
        """Returns the Ray Tune callback that records trials in this journal."""
        return _Listener(self)


class _Listener(Callback):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._errors: dict[str, str] = {}

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Json, **_: Any) -> None:  # noqa: ARG002
        if ERROR in result:
            self._errors[trial.trial_id] = result[ERROR]
        else:
            self._journal.add(trial.config["index"], result)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        self._journal.close(trial.config["index"], error=self._errors.get(trial.trial_id, ""))

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:  # noqa: ARG002
        self._journal.close(trial.config["index"], error=_last_line(Path(trial.error_file or "")))


def _last_line(error_path: Path) -> str:
    """The exception of a trial, without the traceback in front of it in Ray's error file."""
    text = error_path.read_text(encoding="utf-8", errors="replace") if error_path.is_file() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["its process was lost"]
    return lines[-1][:300]
