"""The worst mistakes on test rows, with what the rows are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.table.encoding.decode import format_cell, inputs_by_column
from headrace.data.text.rows import texts_of
from headrace.evaluation.diagnosis.subject import Subject
from headrace.storage.label_codec import decode_names

Rows = NDArray[np.int64]
MAX_CHARACTERS = 2000
"""Of a text that is shown."""
FOLDER = "mistakes"


def write_mistakes(folder: Path, subject: Subject, num_rows: int) -> list[Json]:
    """Returns at most `num_rows` mistakes, the worst first; pictures are written below `folder`.

    The worst are the most confident ones, those with the most wrong labels, or the largest errors.
    """
    rows = rank_mistakes(subject)[:num_rows]
    contents = CONTENTS[subject.predictions.spec.modality](folder, subject, rows) if len(rows) else []
    return [_describe(subject, int(row)) | content for row, content in zip(rows, contents, strict=True)]


def rank_mistakes(subject: Subject) -> Rows:
    """Positions of the rows with a loss, the worst first."""
    losses = subject.result.row_losses
    confidence = subject.result.predictions.get("confidence", np.zeros(len(losses)))
    order = np.lexsort((np.arange(len(losses)), -confidence, -losses))
    return order[losses[order] > 0].astype(np.int64)


def write_pictures(folder: Path, subject: Subject, rows: Rows) -> list[Json]:
    """Writes what the model sees of each row as PNG, named by the row's id."""
    from PIL import Image

    (folder / FOLDER).mkdir()
    contents = []
    for row in rows.tolist():
        pixels = np.asarray(subject.predictions.arrays.inputs[row])
        name = f"{FOLDER}/{_row_id(subject, row)}.png"
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]).save(folder / name)
        contents.append({"picture": name})
    return contents


def read_texts(folder: Path, subject: Subject, rows: Rows) -> list[Json]:
    """Reads the clean texts, cut to MAX_CHARACTERS."""
    del folder
    order = np.argsort(rows)
    texts = texts_of(subject.read_rows(rows[order], ["text"]).to_batches()[0])
    by_row = dict(zip(rows[order].tolist(), texts, strict=True))
    return [{"text": by_row[row][:MAX_CHARACTERS]} for row in rows.tolist()]


def decode_cells(folder: Path, subject: Subject, rows: Rows) -> list[Json]:
    """Decodes the columns that the model has."""
    del folder
    transform, columns = subject.predictions.transform, inputs_by_column(subject.predictions.transform)
    return [
        {"cells": {name: format_cell(transform, at, stored)[:MAX_CHARACTERS] for name, at in columns.items()}}
        for stored in (subject.predictions.arrays.inputs[row] for row in rows.tolist())
    ]


CONTENTS: dict[str, Callable[[Path, Subject, Rows], list[Json]]] = {
    "image": write_pictures,
    "text": read_texts,
    "table": decode_cells,
}
"""Modality -> what is shown of a row: `picture` (a path below the folder), `text` or `cells`."""


def _describe(subject: Subject, row: int) -> Json:
    columns = subject.result.predictions
    described = {
        "row_id": _row_id(subject, row),
        "source": None if subject.sources is None else str(subject.sources[row]),
        "label": _read_answer(subject, "target", row),
        "predicted": _read_answer(subject, "predicted", row),
        "confidence": float(columns["confidence"][row]) if "confidence" in columns else None,
    }
    return described | ({"error": float(columns["error"][row])} if "error" in columns else {})


def _read_answer(subject: Subject, kind: str, row: int) -> Any:
    """A class, a list of labels, a value, or a value by target."""
    columns, spec = subject.result.predictions, subject.predictions.spec
    if spec.targets:
        return {name: float(columns[f"{kind} {name}"][row]) for name in spec.targets}
    value = columns[kind][row]
    if spec.task == "regression":
        return float(value)
    return decode_names(value) if spec.task == "multilabel" else str(value)


def _row_id(subject: Subject, row: int) -> str:
    return bytes(subject.predictions.arrays.row_ids[row]).decode("ascii")
