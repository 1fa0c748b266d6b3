"""Whether a graph answers a row alike, alone and beside any other rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.storage.arrays import Inputs
from headrace.storage.onnx_model import OnnxModel

NUM_ROWS = 32
BATCH_SIZES = (7, 256)
EXTREME = 1e4
"""Multiple of the largest value of a column, as a slip in a table or a broken sensor makes it."""


def measure_batch_difference(model: OnnxModel, inputs: Inputs, spec: Spec, transform: Json) -> float:
    """Largest difference between a row's outputs alone and beside other rows, in standard deviations of the outputs.

    The first NUM_ROWS of `inputs` are answered alone, in batches of BATCH_SIZES, and beside a row of extreme values;
    `transform` is the content of `transform.json`.
    """
    rows = np.arange(min(NUM_ROWS, len(inputs)))
    alone = np.concatenate([model.run(np.ascontiguousarray(inputs[rows[[at]]])) for at in rows])
    batches = [_answer_in_batches(model, inputs, rows, size) for size in BATCH_SIZES]
    beside = model.run(_add_extreme_row(inputs[rows], spec, transform))[: len(rows)]
    differences = [np.abs(outputs - alone).max() for outputs in (*batches, beside)]
    spread = float(alone.std())
    return float(max(differences)) / spread if spread else float(max(differences))


def _answer_in_batches(
    model: OnnxModel, inputs: Inputs, rows: NDArray[np.intp], batch_size: int
) -> NDArray[np.float32]:
    """Answers the rows in batches that other rows, or these again, fill up."""
    starts = range(0, len(rows), batch_size)
    parts = [model.run(np.ascontiguousarray(inputs[np.arange(at, at + batch_size) % len(inputs)])) for at in starts]
    return np.concatenate(parts)[: len(rows)]


def _add_extreme_row(rows: NDArray[Any], spec: Spec, transform: Json) -> NDArray[Any]:
    """Appends a row: for images white, for texts twice as long, for tables with numbers far beyond all others."""
    if spec.modality == "image":
        return np.concatenate([rows, np.full_like(rows[:1], 255)])
    if spec.modality == "text":
        num_tokens = min(2 * rows.shape[1], spec.input_shape[0])
        longer = np.zeros((len(rows) + 1, num_tokens), rows.dtype)
        longer[:-1, : rows.shape[1]], longer[-1] = rows, rows.max()
        return longer
    extreme = rows[:1].copy()
    for place, column in enumerate(transform["inputs"]):
        if column["kind"] == "numeric":
            values = rows[:, place][np.isfinite(rows[:, place])]
            extreme[0, place] = EXTREME * max(1.0, float(np.abs(values).max(initial=0)))
    return np.concatenate([rows, extreme])
