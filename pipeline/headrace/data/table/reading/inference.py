"""What a table is about: its target, its task, the kinds of its columns, and with them its modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from headrace.contracts import Column, ColumnKind, ModalityName, TaskName
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.column_types import is_wordy, kind_of
from headrace.data.table.reading.target import find_targets, find_task, named, task_of_several
from headrace.errors import ConfigError, choices


class Inferred(NamedTuple):
    """What was made of a table's first rows."""

    targets: list[str]
    task: TaskName
    modality: ModalityName
    columns: list[Column]
    """What a model may learn from, by their names in the source."""

    @property
    def target(self) -> str:
        """The only target; empty where there are several."""
        return self.targets[0] if len(self.targets) == 1 else ""


def infer(head: pa.Table, options: ReadOptions) -> Inferred:
    """Looks at the first rows (strings, null where missing), as far as the settings do not tell.

    Raises ConfigError for settings that name columns which are not there, and where the target is in doubt.
    """
    _check_names(head.column_names, options)
    names = [name for name in head.column_names if name != options.split_column]
    kinds = {name: _kind(head, name, options) for name in names if options.columns.get(name) != "ignore"}
    if len(kinds) < 2:  # noqa: PLR2004 - what is known and what is asked
        raise ConfigError(
            f"params.yaml: ingest.source: {options.source!r}: has {len(kinds)} columns to learn from and to predict"
            f" ({', '.join(map(repr, kinds)) or 'none'}); at least two are needed; mend ingest.table.delimiter or"
            " ingest.columns"
        )
    targets = find_targets(head, kinds, options, is_named=named(head.column_names))
    task = _task(head, targets, kinds, options)
    kinds = {name: kind for name, kind in kinds.items() if name not in targets}
    if not kinds:
        raise ConfigError(
            f"params.yaml: ingest.target: {targets} are all columns of {options.source!r}; leave one to learn from"
        )
    if len(kinds) == 1:
        ((name, kind),) = kinds.items()
        # the only thing there is to learn from: as a category it would tell nothing
        if kind == "categorical" and name not in options.columns and is_wordy(head[name].combine_chunks()):
            kinds[name] = "text"
    columns = [Column(name=name, kind=kind) for name, kind in kinds.items()]
    return Inferred(targets, task, _modality(columns), columns)


def _task(head: pa.Table, targets: list[str], kinds: Mapping[str, ColumnKind], options: ReadOptions) -> TaskName:
    if len(targets) > 1:
        return task_of_several(head, targets, kinds, options)
    (target,) = targets
    return find_task(head[target].combine_chunks(), target, kinds[target], options)


def _kind(head: pa.Table, name: str, options: ReadOptions) -> ColumnKind:
    told = options.columns.get(name)
    return told if told is not None and told != "ignore" else kind_of(head[name].combine_chunks())


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
            raise ConfigError(f"params.yaml: ingest.split_column: {target!r} is ingest.target too; choose another")


def _modality(columns: list[Column]) -> ModalityName:
    """Image where one column names images; text where a text is all there is; else table."""
    images = [column.name for column in columns if column.kind == "image"]
    if len(images) > 1:
        raise ConfigError(
            f"params.yaml: ingest.columns: {images[:5]} all name images; one a row is read; set the others to ignore"
        )
    if images:
        return "image"
    return "text" if [column.kind for column in columns] == ["text"] else "table"
