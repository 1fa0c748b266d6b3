"""Infers a table's target, task, column kinds and modality from its first rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from headrace.contracts import Assumption, Column, ColumnKind, ModalityName, TaskName
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.column_types import is_mostly_distinct, is_title
from headrace.data.table.reading.columns.guess import ColumnGuess, guess_columns, to_plain_column
from headrace.data.table.reading.columns.remarks import (
    assume_column,
    assume_ids,
    assume_index,
    assume_kinds,
    assume_target,
    assume_texts,
    find_index_columns,
    is_id,
)
from headrace.data.table.reading.target import (
    explain_target,
    find_targets,
    infer_multi_target_task,
    infer_task,
    is_usual_name,
)
from headrace.errors import ConfigError, choices


class InferredTable(NamedTuple):
    """What was inferred from a table's first rows."""

    targets: list[str]
    task: TaskName
    modality: ModalityName
    columns: list[Column]
    """The input columns, by their names in the source."""
    assumptions: list[Assumption] = []
    likely_decimal: str | None = None
    """See GuessedColumns."""
    numeric_targets: dict[str, ColumnGuess] = {}
    """Targets that are numbers."""

    @property
    def target(self) -> str:
        """The only target; empty if there are several."""
        return self.targets[0] if len(self.targets) == 1 else ""


def infer_table(head: pa.Table, options: ReadOptions) -> InferredTable:
    """Infers from the first rows (strings, null where missing) what the settings leave open.

    Raises ConfigError for settings that name nonexistent columns, and if the target is ambiguous; DataError for a
    column of numbers in contradictory notations.
    """
    _check_names(head.column_names, options)
    guessed = guess_columns(head, options)
    kinds = {name: guess.kind for name, guess in guessed.by_name.items()}
    if len(kinds) < 2:  # noqa: PLR2004 - an input and a target
        raise ConfigError(
            f"params.yaml: ingest.source: {options.source!r}: has {len(kinds)} usable columns"
            f" ({', '.join(map(repr, kinds)) or 'none'}); an input and a target are needed; correct"
            " ingest.table.delimiter or ingest.columns"
        )
    plain = _to_plain(head, guessed.by_name)
    index_columns = [name for name in find_index_columns(head, options) if name not in options.targets]
    targets = find_targets(plain, {name: kind for name, kind in kinds.items() if name not in index_columns}, options)
    task = _infer_task(plain, targets, kinds, options)
    columns = _choose_inputs(head, kinds, targets, index_columns, options)
    columns |= _find_titles(head, guessed.by_name, columns, options)
    kinds |= {name: kind for name, kind in columns.items() if kind == "text"}
    inputs = [guessed.by_name[name]._replace(kind=kind).to_column(name, options) for name, kind in columns.items()]
    reason, is_doubtful = explain_target(targets[0]), not is_usual_name(targets[0])
    assumptions = assume_target(targets, task, options, reason=reason, is_doubtful=is_doubtful)
    assumptions += [*_assume_columns(head, guessed.by_name, columns, options), *assume_index(index_columns)]
    if [column.kind for column in inputs] == ["text"]:
        assumptions += assume_ids(
            next(iter(columns)), [n for n in kinds if n not in {*columns, *targets, *index_columns}]
        )
    numeric_targets = {name: guessed.by_name[name] for name in targets if kinds[name] == "numeric"}
    return InferredTable(targets, task, _modality(inputs), inputs, assumptions, guessed.likely_decimal, numeric_targets)


def _choose_inputs(
    head: pa.Table, kinds: Mapping[str, ColumnKind], targets: list[str], index_columns: list[str], options: ReadOptions
) -> dict[str, ColumnKind]:
    """The input columns with their kinds; a text beside nothing but ids is the only one."""
    columns = {name: kind for name, kind in kinds.items() if name not in targets and name not in index_columns}
    if not columns:
        raise ConfigError(
            f"params.yaml: ingest.target: {targets} are all columns of {options.source!r}; leave at least one as input"
        )
    if len(columns) == 1:
        ((name, kind),) = columns.items()
        # the only input: as a category whose values hardly repeat, it would carry no information
        if kind == "categorical" and name not in options.columns and is_mostly_distinct(head[name].combine_chunks()):
            columns[name] = "text"
    if "image" in options.columns.values():  # names beside the images themselves
        names = [name for name, kind in columns.items() if kind == "image" and name not in options.columns]
        columns |= dict.fromkeys(names, "categorical")
    texts = [name for name, kind in columns.items() if kind == "text"]
    others = [name for name in columns if name not in texts]
    may_be_ids = [
        name for name in others if columns[name] in {"numeric", "categorical"} and name not in options.columns
    ]
    if len(texts) == 1 and len(may_be_ids) == len(others) and all(is_id(name, head[name]) for name in others):
        return {texts[0]: "text"}
    return columns


def _find_titles(
    head: pa.Table, guesses: Mapping[str, ColumnGuess], columns: Mapping[str, ColumnKind], options: ReadOptions
) -> dict[str, ColumnKind]:
    """Categorical columns beside a text that are titles: as categories whose values hardly repeat, they say nothing."""
    if "text" not in columns.values() or "image" in columns.values():
        return {}
    titles = dict[str, ColumnKind]()
    for name in (name for name, kind in columns.items() if kind == "categorical" and name not in options.columns):
        cells = head[name].combine_chunks().drop_null()
        # not, for example, dates in a notation that is not read
        if is_title(cells) and not assume_column(name, guesses[name], cells, "categorical"):
            titles[name] = "text"
    return titles


def _assume_columns(
    head: pa.Table, guesses: Mapping[str, ColumnGuess], columns: Mapping[str, ColumnKind], options: ReadOptions
) -> list[Assumption]:
    guessed = {name: kind for name, kind in columns.items() if name not in options.columns}
    texts = [name for name, kind in columns.items() if kind == "text"]
    others = [name for name in columns if name not in texts]
    assumptions = [assume_kinds(guessed)] if guessed else []
    for name, kind in guessed.items():
        assumptions += assume_column(name, guesses[name], head[name].combine_chunks().drop_null(), kind)
    if "image" not in columns.values():
        assumptions += assume_texts(texts, others)
    return assumptions


def _to_plain(head: pa.Table, guesses: Mapping[str, ColumnGuess]) -> pa.Table:
    """The first rows with their numbers in plain notation."""
    for name, guess in guesses.items():
        if guess.kind == "numeric" and guess.counts is not None:
            cells = to_plain_column(head[name].combine_chunks(), guess)
            head = head.set_column(head.column_names.index(name), name, cells)
    return head


def _infer_task(head: pa.Table, targets: list[str], kinds: Mapping[str, ColumnKind], options: ReadOptions) -> TaskName:
    if len(targets) > 1:
        return infer_multi_target_task(head, targets, kinds, options)
    (target,) = targets
    return infer_task(head[target].combine_chunks(), target, kinds[target], options)


def _check_names(names: list[str], options: ReadOptions) -> None:
    unknown = next((name for name in options.columns if name not in names), None)
    if unknown is not None:
        raise ConfigError(f"params.yaml: ingest.columns.{unknown}: no such column; {choices(unknown, names)}")
    if options.split_column is not None and options.split_column not in names:
        raise ConfigError(
            f"params.yaml: ingest.split_column: no column {options.split_column!r};"
            f" {choices(options.split_column, names)}"
        )
    for target in options.targets:
        if options.columns.get(target) == "ignore":
            raise ConfigError(f"params.yaml: ingest.columns.{target}: 'ignore', but it is ingest.target; remove it")
        if target == options.split_column:
            raise ConfigError(f"params.yaml: ingest.split_column: {target!r} is also ingest.target; choose another")


def _modality(columns: list[Column]) -> ModalityName:
    """Image if one column names images; text if the only column is text; otherwise table."""
    images = [column.name for column in columns if column.kind == "image"]
    if len(images) > 1:
        raise ConfigError(
            f"params.yaml: ingest.columns: {images[:5]} all name images, but a row can have only one; set the others"
            " to ignore"
        )
    if images:
        return "image"
    return "text" if [column.kind for column in columns] == ["text"] else "table"
