"""What test rows are, for people: the pixels that the model sees, the clean text, or the decoded cells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, ModalityName
from headrace.data.table.encoding.decode import format_cell, inputs_by_column
from headrace.data.text.rows import texts_of
from headrace.storage.arrays import Arrays
from headrace.storage.split_index import read_rows

Positions = NDArray[np.int64]
MAX_CHARACTERS = 2000
"""Of a text that is shown."""


class SplitRows(NamedTuple):
    """The rows of a split, as they are stored."""

    arrays: Arrays
    modality: ModalityName
    transform: Json
    """Content of `transform.json`."""
    clean_dir: Path
    """Rows as the source has them."""


def read_contents(rows: SplitRows, positions: Positions) -> list[Json]:
    """Returns `pixels` (uint8 `[height, width, 1 or 3]`), `text` or `cells` of each row."""
    return CONTENTS[rows.modality](rows, positions) if len(positions) else []


def _read_pixels(rows: SplitRows, positions: Positions) -> list[Json]:
    images = (np.asarray(rows.arrays.inputs[row]) for row in positions.tolist())
    return [{"pixels": image if image.shape[-1] == 1 else image[..., :3]} for image in images]


def _read_texts(rows: SplitRows, positions: Positions) -> list[Json]:
    """The clean texts, cut to MAX_CHARACTERS."""
    order = np.argsort(positions)
    row_ids = np.asarray(rows.arrays.row_ids[positions[order]])
    texts = texts_of(read_rows(rows.clean_dir, row_ids, ["text"]).combine_chunks().to_batches()[0])
    by_row = dict(zip(positions[order].tolist(), texts, strict=True))
    return [{"text": by_row[row][:MAX_CHARACTERS]} for row in positions.tolist()]


def _decode_cells(rows: SplitRows, positions: Positions) -> list[Json]:
    """The columns that the model has."""
    columns = inputs_by_column(rows.transform)
    return [
        {"cells": {name: format_cell(rows.transform, at, stored)[:MAX_CHARACTERS] for name, at in columns.items()}}
        for stored in (rows.arrays.inputs[row] for row in positions.tolist())
    ]


CONTENTS: dict[ModalityName, Callable[[SplitRows, Positions], list[Json]]] = {
    "image": _read_pixels,
    "text": _read_texts,
    "table": _decode_cells,
}
"""Modality -> what is shown of a row."""
