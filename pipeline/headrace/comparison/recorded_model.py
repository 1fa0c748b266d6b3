"""What is stored of a trained model: its answers to test rows, and the settings, data, code and packages behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.config import read_params
from headrace.contracts import Json, Metrics, TaskName
from headrace.errors import DataError
from headrace.evaluation.comparison import COMPARISONS
from headrace.paths import OUTS
from headrace.storage.parquet import translate_parquet_errors
from headrace.tracking.served.outcomes import OUTCOMES_DIR, PREDICTIONS, RECORD
from headrace.tracking.served.result_files import ResultFiles
from headrace.tracking.served.result_index import StoredResult

TASKS: dict[str, TaskName] = {"correct": "classification", "wrong_share": "multilabel", "error": "regression"}
"""Outcome, a column of predictions -> the task."""


@dataclass(frozen=True)
class RecordedModel:
    """A model that can be compared."""

    letter: str
    """By which a comparison names it: A, B, ..."""
    title: str
    answers: pa.Table
    """`row_id` and the outcome of each test row; if known also `source`, `target`, `predicted`, `probabilities`."""
    settings: Json
    """Stage -> section of `params.yaml`; empty if unknown. Of `train` every setting, also automatic ones."""
    lineage: Json
    """Hashes of data and code, commit, packages; empty if unknown."""
    code: dict[str, str]
    """Stage -> fingerprint."""
    metrics: dict[str, Metrics]
    """Stage -> metrics."""

    @property
    def outcome(self) -> str:
        """The column of `answers` with the outcomes: see `evaluation.comparison.COMPARISONS`."""
        return next(name for name in COMPARISONS if name in self.answers.column_names)

    @property
    def task(self) -> TaskName:
        """The task, which the outcome shows."""
        return TASKS[self.outcome]


def read_recorded_model(files: ResultFiles, stored: StoredResult, letter: str) -> RecordedModel:
    """Reads what a version, or a run, has stored; raises DataError if it has no answers to test rows.

    Versions of one training share its run, whose files are those of the last one: of an earlier version without files
    of its own, answers are taken from the run only if the outcomes are the version's.
    """
    answers = _find_answers(files, stored)
    if answers is None:
        raise DataError(
            f"{stored.title}: has no stored answers to test rows, so it cannot be compared; run: dvc repro (it was "
            "made by other means, or its files are gone)"
        )
    record = read_record(files, stored)
    return RecordedModel(
        letter,
        stored.title,
        answers,
        record.get("settings") or {},
        record.get("lineage") or {},
        record.get("code") or {},
        record.get("metrics") or {},
    )


def read_record(files: ResultFiles, stored: StoredResult) -> Json:
    """Reads `settings`, `code` and `metrics` by stage, and `lineage`: those of a version, or else of its run."""
    own: Json | None = _read_json(files.find(stored.version_uri, f"{OUTCOMES_DIR}/{RECORD}"))
    return own or _read_run_record(files, stored)


def _find_answers(files: ResultFiles, stored: StoredResult) -> pa.Table | None:
    own = _read_answers(files.find(stored.version_uri, f"{OUTCOMES_DIR}/test.parquet"))
    if own is not None and ("predicted" in own.column_names or any(map(_is_prediction, own.column_names))):
        return own
    of_run = _read_answers(files.find(stored.run_uri, PREDICTIONS))
    if own is None or of_run is None:
        return of_run if own is None else own
    return of_run if of_run.select(own.column_names).equals(own) else own


def _is_prediction(column: str) -> bool:
    """Whether a column has the predictions of one of several targets."""
    return column.startswith("predicted ")


def _read_answers(path: Path | None) -> pa.Table | None:
    if path is None:
        return None
    with (
        translate_parquet_errors(path),
        pq.ParquetFile(path) as file,
    ):  # read_table would import pandas, in half a second
        table = file.read()
    has_outcome = "row_id" in table.column_names and any(name in table.column_names for name in COMPARISONS)
    return table if has_outcome else None


def _read_run_record(files: ResultFiles, stored: StoredResult) -> Json:
    params_path = files.find(stored.run_uri, "params.yaml")
    settings = read_params(params_path) if params_path else {}
    trained = _read_json(files.find(stored.run_uri, "settings.json"))
    lineage = _read_json(files.find(stored.run_uri, "lineage.json")) or {}
    metrics = {stage: _read_json(files.find(stored.run_uri, f"metrics/{stage}.json")) for stage in OUTS}
    return {
        "settings": {name: section for name, section in settings.items() if name in OUTS}
        | ({"train": trained} if trained else {}),
        "lineage": lineage,
        "code": {"train": lineage["code"]} if lineage.get("code") else {},
        "metrics": {stage: values for stage, values in metrics.items() if values},
    }


def _read_json(path: Path | None) -> Any:
    """The content of a file; None if there is none, or if it is damaged, since a comparison can do without it."""
    try:
        return json.loads(path.read_bytes()) if path else None
    except ValueError:
        return None
