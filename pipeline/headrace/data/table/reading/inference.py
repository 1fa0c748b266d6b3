"""Infers a table's target, task, column kinds and modality from its first rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from headrace.contracts import Column, ColumnKind, ModalityName, TaskName
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.column_types import infer_column_kind, is_mostly_distinct
from headrace.data.table.reading.target import find_targets, infer_multi_target_task, infer_task
from headrace.errors import ConfigError, choices


class InferredTable(NamedTuple):
    """What was inferred from a table's first rows."""

    targets: list[str]
    task: TaskName
    modality: ModalityName
    columns: list[Column]
    """The input columns, by their names in the source."""

    @property
    def target(self) -> str:
        """The only target; empty if there are several."""
        return self.targets[0] if len(self.targets) == 1 else ""


def infer_table(head: pa.Table, options: ReadOptions) -> InferredTable:
    """Infers from the first rows (strings, null where missing) what the settings leave open.

    Raises ConfigError for settings that name nonexistent columns, and if the target is ambiguous.
    """
    _check_names(head.column_names, options)
    names = [name for name in head.column_names if name != options.split_column]
    kinds = {name: _kind(head, name, options) for name in names if options.columns.get(name) != "ignore"}
    if len(kinds) < 2:  # noqa: PLR2004 - an input and a target
        raise ConfigError(
            f"params.yaml: ingest.source: {options.source!r}: has {len(kinds)} usable columns"
            f" ({', '.join(map(repr, kinds)) or 'none'}); an input and a target are needed; correct"
            " ingest.table.delimiter or ingest.columns"
        )
    targets = find_targets(head, kinds, options)
    task = _infer_task(head, targets, kinds, options)
    kinds = {name: kind for name, kind in kinds.items() if name not in targets}
    if not kinds:
        raise ConfigError(
            f"params.yaml: ingest.target: {targets} are all columns of {options.source!r}; leave at least one as input"
        )
    if len(kinds) == 1:
        ((name, kind),) = kinds.items()
        # the only input: as a category whose values hardly repeat, it would carry no information
        if kind == "categorical" and name not in options.columns and is_mostly_distinct(head[name].combine_chunks()):
            kinds[name] = "text"
    columns = [Column(name=name, kind=kind) for name, kind in kinds.items()]
    return InferredTable(targets, task, _modality(columns), columns)


def _infer_task(head: pa.Table, targets: list[str], kinds: Mapping[str, ColumnKind], options: ReadOptions) -> TaskName:
    if len(targets) > 1:
        return infer_multi_target_task(head, targets, kinds, options)
    (target,) = targets
    return infer_task(head[target].combine_chunks(), target, kinds[target], options)


def _kind(head: pa.Table, name: str, options: ReadOptions) -> ColumnKind:
    setting = options.columns.get(name)
    return setting if setting is not None and setting != "ignore" else infer_column_kind(head[name].combine_chunks())


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
