"""Image sources whose classes stand in their files or folders, as opened: what they are, and their rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.contracts import Opened, Spec
from headrace.errors import ConfigError
from headrace.modalities.options import ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa


def opened(form: str, batches: Iterator[pa.RecordBatch], options: ReadOptions) -> Opened:
    """Image rows of a format that tells their classes itself; raises ConfigError for options that only tables have."""
    from headrace.modalities.image.schema import RAW_SCHEMA

    _check(options)
    spec = Spec(modality="image", task="classification", source=options.source, format=form, num_rows=0)
    return Opened(spec, RAW_SCHEMA, batches)


def _check(options: ReadOptions) -> None:
    if options.target is not None:
        raise ConfigError(
            f"params.yaml: ingest.target: got {options.target!r}; must be null for images,"
            " whose class is the name of their folder; remove it"
        )
    if options.label_separator is not None:
        raise ConfigError(
            f"params.yaml: ingest.label_separator: got {options.label_separator!r}; must be null for images by class,"
            " which have one each; remove it"
        )
    if options.split_column is not None:
        raise ConfigError(
            f"params.yaml: ingest.split_column: got {options.split_column!r}; must be null for images,"
            " whose split is told by folders or files; remove it"
        )
    if options.task not in {"auto", "classification"}:
        raise ConfigError(
            f"params.yaml: ingest.task: got {options.task!r}; images by class are for classification; set auto, or give"
            " a table that has a column of paths and a target of numbers or lists"
        )
