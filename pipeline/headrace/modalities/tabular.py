"""Tables as what their columns are of: rows of a table, of texts, or of images that they name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.contracts import Opened, Spec
from headrace.modalities.options import ReadOptions
from headrace.modalities.table.files import base_dir, find_files
from headrace.modalities.table.read import read_table_files

if TYPE_CHECKING:
    import pyarrow as pa


def read_tabular(path: Path, options: ReadOptions) -> Opened:
    """A file, a glob or a folder of shards, read as `read_table_files` does; its rows are as their modality has them.

    Paths of images are relative to the folder that all of the table's files lie in.
    """
    opened = read_table_files(path, options)
    if opened.spec.modality == "table":
        return opened
    column = next(column.name for column in opened.spec.columns if column.kind == opened.spec.modality)
    spec = opened.spec.model_copy(update={"columns": [c for c in opened.spec.columns if c.name != column]})
    if spec.modality == "text":
        return _texts(spec, opened, column)
    return _images(spec, opened, column, base_dir([file.path for file in find_files(path, options.source)]))


def _texts(spec: Spec, opened: Opened, column: str) -> Opened:
    from headrace.modalities.text.rows import to_text_batch, to_text_schema

    schema = to_text_schema(opened.schema, column)
    return Opened(spec, schema, (to_text_batch(rows, column) for rows in opened.batches))


def _images(spec: Spec, opened: Opened, column: str, base: Path) -> Opened:
    from headrace.modalities.image.links import image_schema, load_images

    batches: Iterator[pa.RecordBatch] = load_images(opened.batches, column, base)
    return Opened(spec, image_schema(opened.schema, column), batches)
