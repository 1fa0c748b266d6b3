"""The worst mistakes on test rows, with what the rows are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.evaluation.diagnosis.row_contents import SplitRows, read_contents
from headrace.evaluation.diagnosis.subject import Subject
from headrace.storage.label_codec import decode_names

Rows = NDArray[np.int64]
FOLDER = "mistakes"


def write_mistakes(folder: Path, subject: Subject, num_rows: int) -> list[Json]:
    """Returns at most `num_rows` mistakes, the worst first; pictures are written below `folder`.

    The worst are the most confident ones, those with the most wrong labels, or the largest errors.
    """
    positions, predictions = rank_mistakes(subject)[:num_rows], subject.predictions
    rows = SplitRows(predictions.arrays, predictions.spec.modality, predictions.transform, subject.clean_dir)
    contents = read_contents(rows, positions)
    if contents and "pixels" in contents[0]:
        (folder / FOLDER).mkdir()
        pairs = zip(positions.tolist(), contents, strict=True)
        contents = [_write_picture(folder, _row_id(subject, row), content["pixels"]) for row, content in pairs]
    return [_describe(subject, int(row)) | content for row, content in zip(positions, contents, strict=True)]


def rank_mistakes(subject: Subject) -> Rows:
    """Positions of the rows with a loss, the worst first."""
    losses = subject.result.row_losses
    confidence = subject.result.predictions.get("confidence", np.zeros(len(losses)))
    order = np.lexsort((np.arange(len(losses)), -confidence, -losses))
    return order[losses[order] > 0].astype(np.int64)


def _write_picture(folder: Path, row_id: str, pixels: NDArray[np.uint8]) -> Json:
    from PIL import Image

    name = f"{FOLDER}/{row_id}.png"
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(folder / name)
    return {"picture": name}


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
