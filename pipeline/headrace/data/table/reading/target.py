"""Which column is to be predicted, and what a model is asked for.

Targets that give a row several labels or values: which columns, and what is asked of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from headrace.contracts import ColumnKind, TaskName
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.parsing import numbers
from headrace.data.table.reading.column_types import MOSTLY
from headrace.data.table.reading.labels import FLAGS
from headrace.errors import ConfigError, DataError, choices
from headrace.storage.label_codec import read_list

USUAL = frozenset(
    ["class", "diagnosis", "income", "label", "labels", "outcome", "sentiment", "species", "survived", "target", "y"]
)
"""Lower-case names of targets."""
MOST_CLASSES = 20
"""More distinct values are no classes that one would guess."""
SMALL = 1000
FEW = 0.05
"""Of the rows: so few distinct integers may be numbered classes, however many they are."""
NAMES_TOLD = 20


def find_targets(head: pa.Table, kinds: Mapping[str, ColumnKind], options: ReadOptions, *, is_named: bool) -> list[str]:
    """The columns that `ingest.target` names, or the only likely one; raises ConfigError where there is a doubt.

    `kinds`: of the columns that may be it; `is_named`: whether their names mean anything.
    """
    for name in options.targets:
        if name not in kinds:
            raise ConfigError(f"params.yaml: ingest.target: no column {name!r}; {choices(name, kinds)}")
    return options.targets or [_likely(head, kinds, is_named=is_named)]


def _likely(head: pa.Table, kinds: Mapping[str, ColumnKind], *, is_named: bool) -> str:
    usual = [name for name in kinds if name.lower() in USUAL]
    if len(usual) == 1:
        return usual[0]
    found = None if usual else _by_content(head, kinds, is_named=is_named)
    if found is None:
        names = list(kinds)
        more = ", ..." if len(names) > NAMES_TOLD else ""
        listed = ", ".join(repr(name) for name in names[:NAMES_TOLD]) + more
        raise ConfigError(
            f"params.yaml: ingest.target: null, but {usual or 'no name'} does not tell which column is to be predicted;"
            f" choose one of [{listed}]"
        )
    return found


def _by_content(head: pa.Table, kinds: Mapping[str, ColumnKind], *, is_named: bool) -> str | None:
    """What stands beside the only text or image; else the last column, if it alone looks like classes.

    In tables without a header the last is the usual place: there only the first column, the other usual place, can
    speak against it.
    """
    names = list(kinds)
    contents = [name for name in names if kinds[name] in {"text", "image"}]
    if len(names) == 2 and len(contents) == 1:  # noqa: PLR2004 - what is known and what is asked
        return next(name for name in names if name not in contents)
    rivals = names[:-1] if is_named else names[:1]
    if _is_classes(head, names[-1], kinds) and not any(_is_classes(head, name, kinds) for name in rivals):
        return names[-1]
    return None


def _is_classes(head: pa.Table, name: str, kinds: Mapping[str, ColumnKind]) -> bool:
    values = head[name].combine_chunks().drop_null()
    num_distinct = len(values.unique())
    is_repeating = 1 < num_distinct <= min(MOST_CLASSES, len(values) / 2)
    return is_repeating and (kinds[name] == "categorical" or (kinds[name] == "numeric" and _are_small(values)))


def find_task(labels: pa.Array, target: str, kind: ColumnKind, options: ReadOptions) -> TaskName:
    """What `ingest.task` asks for; auto: regression where the target has many different numbers."""
    values = labels.drop_null()
    if not len(values):
        raise DataError(
            f"params.yaml: ingest.target: column {target!r} has no value in the first {len(labels)} rows; choose"
            " another column, or mend ingest.table.missing"
        )
    if is_multilabel(values, target, options):
        return "multilabel"
    if options.task == "regression" and kind != "numeric":
        raise ConfigError(
            f"params.yaml: ingest.task: 'regression' takes a target of numbers; column {target!r} holds {kind} values"
            f" such as {values[0].as_py()[:40]!r}; set classification, or another ingest.target"
        )
    if options.task != "auto":
        return options.task
    return "regression" if kind == "numeric" and _is_measured(values) else "classification"


def _is_measured(values: pa.Array) -> bool:
    """Whether numbers are amounts rather than numbered classes."""
    num_distinct = len(values.unique())
    if not _are_integers(values):
        return num_distinct > min(MOST_CLASSES, len(values) / 2)
    return num_distinct > MOST_CLASSES and (not _are_small(values) or num_distinct > FEW * len(values))


def _are_integers(values: pa.Array) -> bool:

    found = numbers(values).values
    found = found[np.isfinite(found)]
    return bool((found == np.round(found)).all())


def _are_small(values: pa.Array) -> bool:

    found = numbers(values).values
    return _are_integers(values) and bool(np.nanmax(np.abs(found), initial=0) < SMALL)


def named(names: Sequence[str]) -> bool:
    """Whether columns have names of their own, not those that are given for want of a header."""
    return list(names) != [f"column_{index}" for index in range(len(names))]


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
