"""Answers for one chunk of an input: the work that processes and Ray's workers do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.evaluation.metrics.drift import count_values, extract_features
from headrace.prediction.input_chunks import Chunk, LoadedRows
from headrace.prediction.registered_model import RegisteredModel, open_model
from headrace.tracking.served.predictor import name_values

ROWS_AT_ONCE = 64
"""Rows that are read, encoded and answered together: photos of many megapixels must fit into memory."""
Counts = dict[str, list[int]]


class ChunkAnswers(NamedTuple):
    """The answers for a chunk."""

    table: pa.RecordBatch
    """`row`, `source`, the copied columns, the answer, `version` and `reason`."""
    num_set_aside: int
    counts: Counts
    """Rows by bin of each histogram of the version's reference; empty unless drift is measured."""


@dataclass(frozen=True)
class AnswerChunk:
    """Answers chunks by the model in `folder`; can be sent to another process, which then loads the model itself."""

    folder: Path
    num_threads: int
    has_drift: bool = False

    def __call__(self, chunk: Chunk) -> ChunkAnswers:
        """Reads the rows, encodes them and runs the graph."""
        model, predictor = _load(self.folder, self.num_threads)
        outputs, reasons, features = [], dict[int, str](), []
        for start in range(0, len(chunk), ROWS_AT_ONCE):
            inputs, found = _encode(predictor, chunk, start, min(start + ROWS_AT_ONCE, len(chunk)))
            outputs.append(predictor.run(inputs))
            reasons |= found
            if self.has_drift:
                is_answered = np.array([start + row not in found for row in range(len(inputs))])
                features.append(extract_features(inputs[is_answered], model.card))
        columns = _make_columns(predictor, np.concatenate(outputs), reasons)
        fixed = {
            "row": pa.array(range(chunk.first_row, chunk.first_row + len(chunk)), pa.int64()),
            "source": chunk.sources.cast(pa.string()),
        }
        closing = {
            "reason": pa.array([reasons.get(row) for row in range(len(chunk))], pa.string()),
            "version": pa.array([model.version] * len(chunk), pa.string()),
        }
        counts = _count(model, features, columns) if self.has_drift else {}
        flat = (name_probability(label) for label in model.card["classes"])
        copied = rename_copied(chunk.copied, {*fixed, *columns, *closing, *flat})
        return ChunkAnswers(pa.record_batch({**fixed, **copied, **columns, **closing}), len(reasons), counts)


def name_probability(label: str) -> str:
    """The column of a class's probability in a file without nested columns."""
    return f"probability_{label}"


def rename_copied(copied: pa.RecordBatch | None, taken: set[str]) -> dict[str, pa.Array]:
    """The copied columns; one that has the name of a column of the answers gets `_` appended."""
    renamed: dict[str, pa.Array] = {}
    if copied is None:
        return renamed
    for name in copied.schema.names:
        new = name
        while new in {*taken, *renamed}:
            new += "_"
        renamed[new] = copied.column(name)
    return renamed


@lru_cache(maxsize=1)
def _load(folder: Path, num_threads: int) -> tuple[RegisteredModel, Any]:
    model = open_model(folder)
    return model, model.load_predictor(num_threads)


def _encode(predictor: Any, chunk: Chunk, start: int, stop: int) -> tuple[NDArray[Any], dict[int, str]]:
    """Returns the graph's inputs, and by row of the chunk why a row is set aside."""
    loaded = chunk.payload.load(start, stop)
    if not isinstance(loaded, LoadedRows):
        return np.stack([predictor.encode.fit_shape(pixels) for pixels in loaded]), {}
    encoded = predictor.encode(loaded.rows)
    reasons = dict[int, str]()
    for problem in encoded.problems:
        text = loaded.unreadable.get(problem.row, problem.describe_cell())
        reasons.setdefault(start + problem.row, text)
    return encoded.inputs, reasons


def _make_columns(predictor: Any, outputs: NDArray[np.float32], reasons: dict[int, str]) -> dict[str, pa.Array]:
    """The answers as columns; null for rows that are set aside."""
    card, is_null = predictor.card, np.zeros(len(outputs), np.bool_)
    is_null[list(reasons)] = True
    if card["task"] == "regression":
        values = outputs.astype(np.float64)
        names = name_values(card["targets"])
        return {name: pa.array(values[:, index], mask=is_null) for index, name in enumerate(names)}
    probabilities, classes = predictor.compute_probabilities(outputs), np.array(card["classes"], object)
    columns = [pa.array(column) for column in probabilities.T]
    by_class = pa.StructArray.from_arrays(columns, card["classes"], mask=pa.array(is_null))
    if card["task"] == "multilabel":
        chosen = [classes[row > card["threshold"]].tolist() for row in probabilities]
        labels = [None if null else names for null, names in zip(is_null, chosen, strict=True)]
        return {"labels": pa.array(labels, pa.list_(pa.string())), "probabilities": by_class}
    confidences = probabilities.max(axis=1)
    answers = {
        "label": pa.array(classes[probabilities.argmax(axis=1)], pa.string(), mask=is_null),
        "confidence": pa.array(confidences, mask=is_null),
    }
    if "threshold" in card:
        answers["abstain"] = pa.array(confidences <= card["threshold"], mask=is_null)
    return answers | {"probabilities": by_class}


def _count(model: RegisteredModel, features: list[dict[str, NDArray[Any]]], columns: dict[str, pa.Array]) -> Counts:
    reference: Json = model.reference or {"inputs": [], "answers": []}
    counts = Counts()
    for histogram in reference["inputs"]:
        values = np.concatenate([part[histogram["name"]] for part in features])
        counts[f"input {histogram['name']}"] = count_values(histogram, values).tolist()
    for histogram in reference["answers"]:
        values = columns[histogram["name"]].drop_null().to_numpy(zero_copy_only=False)
        counts[f"answer {histogram['name']}"] = count_values(histogram, values).tolist()
    return counts
