"""Targets that give a row several labels or values: which columns, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace.contracts import ColumnKind, TaskName
from headrace.errors import ConfigError, DataError
from headrace.modalities.options import ReadOptions
from headrace.modalities.table.kinds import MOSTLY
from headrace.modalities.table.label_cells import FLAGS
from headrace.storage.label_codec import read_list

if TYPE_CHECKING:
    import pyarrow as pa


def task_of_several(
    head: pa.Table, targets: list[str], kinds: Mapping[str, ColumnKind], options: ReadOptions
) -> TaskName:
    """Of several columns: multilabel where all hold 0 and 1, regression where all hold numbers; a few cells aside.

    Raises ConfigError for anything else, and for a task that has one target; DataError for columns without values.
    """
    if options.label_separator is not None:
        raise ConfigError(
            f"params.yaml: ingest.label_separator: {options.label_separator!r}, but ingest.target names"
            f" {len(targets)} columns; it is of one; remove it, or name one"
        )
    if options.task == "classification":
        raise ConfigError(
            f"params.yaml: ingest.task: 'classification' is one class a row, but ingest.target names {len(targets)}"
            " columns; set multilabel (columns of 0 and 1), or regression (columns of numbers)"
        )
    columns = {name: head[name].drop_null() for name in targets}
    empty = next((name for name, values in columns.items() if not len(values)), None)
    if empty is not None:
        raise DataError(
            f"params.yaml: ingest.target: column {empty!r} has no value in the first {head.num_rows} rows; leave it out"
        )
    shares = {name: _share_of_flags(values) for name, values in columns.items()}
    if options.task == "multilabel":
        _refuse_no_flags(columns, shares)
    if options.task != "regression" and min(shares.values()) >= MOSTLY:
        if options.task == "auto":
            _refuse_doubt(columns, shares)
        return "multilabel"
    wordy = next((name for name in targets if kinds[name] != "numeric"), None)
    if wordy is not None:
        raise ConfigError(
            f"params.yaml: ingest.target: several targets must be numbers, or 0 and 1; column {wordy!r} holds"
            f" {kinds[wordy]} values such as {columns[wordy][0].as_py()[:40]!r}; leave it out"
        )
    return "regression"


def _refuse_no_flags(columns: Mapping[str, pa.ChunkedArray], shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        if share < MOSTLY:
            raise ConfigError(
                f"params.yaml: ingest.task: 'multilabel' of several columns takes 0 and 1; column {name!r} holds"
                f" {_other(columns[name])!r}; set regression, or other columns as ingest.target"
            )


def _refuse_doubt(columns: Mapping[str, pa.ChunkedArray], shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        if share < 1:
            raise ConfigError(
                f"params.yaml: ingest.task: auto, but ingest.target names columns of 0 and 1, of which {name!r} also"
                f" holds {_other(columns[name])!r}; set multilabel (such rows are rejected), or regression"
            )


def is_multilabel(labels: pa.Array, target: str, options: ReadOptions) -> bool:
    """Whether one column gives a row several labels; raises ConfigError where the settings contradict its cells."""
    if options.label_separator is not None:
        if options.task not in {"auto", "multilabel"}:
            raise ConfigError(
                f"params.yaml: ingest.label_separator: {options.label_separator!r} parts several labels of a row, but"
                f" ingest.task is {options.task!r}; set multilabel, or remove it"
            )
        return True
    values = labels.drop_null()
    other = next((cell for cell in values.to_pylist() if read_list(cell) is None), None)
    if other is None and len(values):
        return options.task in {"auto", "multilabel"}
    if options.task == "multilabel":
        raise ConfigError(
            f"params.yaml: ingest.task: 'multilabel' takes lists, but column {target!r} holds {str(other)[:40]!r}; set"
            " ingest.label_separator, or name several columns of 0 and 1 as ingest.target"
        )
    return False


def _share_of_flags(values: pa.ChunkedArray) -> float:
    cells = values.to_pylist()
    return sum(cell.lower() in FLAGS for cell in cells) / len(cells)


def _other(values: pa.ChunkedArray) -> str:
    """The first cell that is neither 0 nor 1."""
    return next(str(cell)[:40] for cell in values.to_pylist() if cell.lower() not in FLAGS)
