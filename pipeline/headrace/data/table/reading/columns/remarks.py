"""What is assumed about columns from a table's first rows, as sentences with the setting that changes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts import Assumption, ColumnKind, TaskName
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.columns.guess import ColumnGuess
from headrace.data.table.reading.columns.numeric_columns import MIN_NUMBERS, MOSTLY, name_cells

ID_NAME = re.compile(r"(?i)(^|[^a-z])(id|no|nr|num|number|index|idx|key|row|uuid|guid|unnamed.*)$|[a-z]I[dD]$")
"""Names typical of columns that number rows: `id`, `row_no`, `PassengerId`."""
NEARLY_ALL = 0.98
"""Fraction of distinct values that counts as all: large numbers of them are estimates."""
UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)*")
"""The name that pandas gives to a column without one, such as the index of an earlier `to_csv`."""
INTEGER = r"^-?\d{1,18}$"
DATE_LIKE = (
    r"(?i)^\s*(?:[a-z]{3,9},? )?(?:\d{1,4}(?:st|nd|rd|th)?[-/. ]{1,2}(?:\d{1,2}|[a-z]{3,9}\.?)[-/., ]{1,2}\d{1,4}"
    r"|[a-z]{3,9}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{2,4}|\d{4}\d{2}\d{2}T\d+|\d{1,2}:\d\d)\b"
)
"""Cells that a person would take for a date or a time."""
MAX_NAMED = 12


def find_index_columns(head: pa.Table, options: ReadOptions) -> list[str]:
    """Columns without a name of their own that number the rows, as pandas and R write them by default."""
    names = head.column_names
    unnamed = [name for index, name in enumerate(names) if name == f"column_{index}" or UNNAMED.fullmatch(name)]
    if options.table.names is not None or len(unnamed) == len(names):  # a file without a header
        return []
    return [name for name in unnamed if name not in options.columns and _numbers_rows(head[name])]


def is_id(name: str, cells: pa.ChunkedArray) -> bool:
    """Whether a column is named as an id and hardly ever repeats a value."""
    return bool(ID_NAME.search(name)) and len(pc.unique(cells)) >= NEARLY_ALL * len(cells)


def assume_column(name: str, guess: ColumnGuess, cells: pa.Array, kind: ColumnKind) -> list[Assumption]:
    """Remarks about one column of which the kind was guessed."""
    counts = guess.counts
    if counts is None or kind == "numeric":
        return []
    subject, setting = f"column {name!r}", f"ingest.columns: {{{name}: numeric}}"
    if counts.num_long > (1 - MOSTLY) * counts.num_cells:
        text = "integers of more digits than a number can hold (2**53) are compared as text, as ids are"
        return [Assumption(stage="ingest", subject=subject, text=text, setting=setting)]
    if kind == "categorical" and counts.num_numbers >= MIN_NUMBERS * counts.num_cells:
        text = (
            f"{kind}, although {counts.num_numbers:,} of {counts.num_cells:,} cells are numbers; the others are"
            f" {name_cells(dict(counts.others)) or 'written in another notation'}"
        )
        return [Assumption(stage="ingest", subject=subject, text=text, setting=setting, is_warning=True)]
    if kind == "categorical" and _looks_like_dates(cells):
        text = f"looks like dates, but this notation is not read ({cells[0].as_py()!r}); it is categorical"
        setting = "write the column as 2024-01-31, or 2024-01-31 15:04"
        return [Assumption(stage="ingest", subject=subject, text=text, setting=setting, is_warning=True)]
    return []


def assume_kinds(kinds: Mapping[str, ColumnKind]) -> Assumption:
    """One remark with the kinds of all columns that the settings leave open."""
    by_kind: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        by_kind.setdefault(kind, []).append(name)
    text = "; ".join(f"{kind}: {_list(names)}" for kind, names in by_kind.items())
    return Assumption(stage="ingest", subject="kinds", text=text, setting="ingest.columns: {NAME: categorical}")


def assume_target(
    targets: Sequence[str], task: TaskName, options: ReadOptions, *, reason: str, is_doubtful: bool = False
) -> list[Assumption]:
    """Remarks about the target and the task, unless the settings name them; a warning if the target is doubtful.

    `reason`: what shows which column is the target.
    """
    assumed = []
    if not options.targets:
        text = f"the target is {targets[0]!r}, by its {reason}"
        assumed.append(
            Assumption(
                stage="ingest", subject="target", text=text, setting="ingest.target: NAME", is_warning=is_doubtful
            )
        )
    if options.task == "auto":
        text = f"{task}, by the values of {_list(targets)}"
        assumed.append(
            Assumption(
                stage="ingest",
                subject="task",
                text=text,
                setting=f"ingest.task: {'classification' if task == 'regression' else 'regression'}",
            )
        )
    return assumed


def assume_named_target(target: str | list[str]) -> list[Assumption]:
    """A remark about a target that other files of the folder name, such as a sample submission."""
    text = f"the target is {target!r}, which the other files of the folder show"
    return [Assumption(stage="ingest", subject="target", text=text, setting="ingest.target: NAME")]


def assume_index(names: Sequence[str]) -> list[Assumption]:
    """Remarks about columns that number the rows."""
    return [
        Assumption(
            stage="ingest",
            subject=f"column {name!r}",
            text="has no name and numbers the rows (an index of pandas or R); it is not learned from",
            setting=f"ingest.columns: {{{name}: numeric}}",
            is_warning=True,
        )
        for name in names
    ]


def assume_ids(text_column: str, names: Sequence[str]) -> list[Assumption]:
    """A remark about columns beside a text that are ids, hence no inputs."""
    if not names:
        return []
    text = f"only this text is learned from; the other columns are ids ({_list(names)})"
    setting = f"ingest.columns: {{{names[0]}: categorical}}"
    return [Assumption(stage="ingest", subject=f"column {text_column!r}", text=text, setting=setting)]


def assume_texts(text_columns: Sequence[str], others: Sequence[str]) -> list[Assumption]:
    """A remark about texts beside other columns, all of which are learned from."""
    if not text_columns or len(text_columns) + len(others) == 1:
        return []
    text = f"learned from as text, together with {_list(others)}" if others else "learned from as texts"
    setting = f"ingest.columns: {{{text_columns[0]}: ignore}}"
    subject = f"column{'s' if len(text_columns) > 1 else ''} {_list(text_columns)}"
    return [Assumption(stage="ingest", subject=subject, text=text, setting=setting)]


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _numbers_rows(cells: pa.ChunkedArray) -> bool:
    """Whether the cells are distinct integers."""
    if cells.null_count or not pc.all(pc.match_substring_regex(cells, INTEGER)).as_py():
        return False
    return len(pc.unique(cells)) == len(cells)


def _looks_like_dates(cells: pa.Array) -> bool:
    return len(cells) > 0 and float(pc.mean(pc.match_substring_regex(cells, DATE_LIKE).cast("int8")).as_py()) >= MOSTLY
