"""The text columns of a table in cleaning: repair as of a data set of texts, and words as features of label errors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Finding, Json, Rows, Spec
from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.text.checker import BEGINNING
from headrace.data.text.repair import RepairedText, repair_text
from headrace.data.text.word_features import WordCounts, compute_word_features, count_words, select_words
from headrace.storage.column_names import to_stored_name


def check_texts(name: str, cells: TypedColumn, options: Json) -> Iterator[Finding]:
    """Yields what is wrong with each text of the column `name`; `options`: by name of the checks that are not off."""
    for row, repaired in enumerate(_repair(cells, options)):
        if repaired is not None:
            for check, reason in repaired.describe():
                yield Finding(row, check, f"{name}: {reason}")


def repair_texts(cells: TypedColumn, options: Json) -> tuple[pa.Array, list[int]]:
    """Returns the repaired column, and the rows whose texts lost something; one that is then empty is missing.

    `options`: by name of the checks whose severity is `repair`.
    """
    repaired = _repair(cells, options)
    changed = [row for row, text in enumerate(repaired) if text is not None and text.is_changed]
    return pa.array([text.text or None if text is not None else None for text in repaired], pa.string()), changed


def find_words(rows: Rows, spec: Spec) -> list[int]:
    """Returns the words in any text column that depend most on the label; empty without such a column."""
    names = [to_stored_name(column.name) for column in spec.columns if column.kind == "text"]
    return select_words(rows.map(partial(_count, names=names))) if names else []


def compute_text_features(batch: pa.RecordBatch, spec: Spec, words: list[int]) -> NDArray[np.float32]:
    """`[rows, features]` of the texts of a row together; `words`: those of `find_words`."""
    names = [to_stored_name(column.name) for column in spec.columns if column.kind == "text"]
    if not words:
        return np.empty((batch.num_rows, 0), np.float32)
    return compute_word_features(_join(batch, names), words)


def _count(batch: pa.RecordBatch, *, names: list[str]) -> WordCounts:
    return count_words(_join(batch, names), batch.column("label").to_pylist())


def _join(batch: pa.RecordBatch, names: list[str]) -> list[str]:
    """The beginnings of a row's texts, one after the other."""
    columns = [batch.column(name).fill_null("").to_pylist() for name in names]
    return [" ".join(text[:BEGINNING] for text in texts) for texts in zip(*columns, strict=True)]


def _repair(cells: TypedColumn, options: Json) -> list[RepairedText | None]:
    """The repaired texts; None where a cell is missing."""
    controls, markup = "control_characters" in options, "markup" in options
    return [
        None if text is None else repair_text(text, controls=controls, markup=markup) for text in cells.text.to_pylist()
    ]
