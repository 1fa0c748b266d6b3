"""Augmentation of tables: feature dropout, and mixup of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Draw, Json
from headrace.data.row_random import STREAMS, draw_uniforms
from headrace.data.table.encoding.encode import MISSING

Cells = NDArray[np.float32]


class FeatureDropout:
    """Sets random cells to missing (as in Vincent et al. 2008), which the network reads as the median and a flag."""

    def __init__(self, fraction: float, seed: int, transform: Json) -> None:
        """`fraction` of the cells, in [0, 1); all stored inputs of a date are dropped together."""
        self._fraction, self._seed = fraction, seed
        inputs = transform["inputs"]
        columns = list(dict.fromkeys(entry["column"] for entry in inputs))
        self._column_indices = np.array([columns.index(entry["column"]) for entry in inputs])
        self._missing = np.where(_is_numeric(transform), np.float32(np.nan), np.float32(MISSING))

    def __call__(self, inputs: Cells, rows: NDArray[np.int64], epoch: int) -> Cells:
        """Stored `[rows, inputs]` and the positions of these rows -> the same shape."""
        numbers = draw_uniforms(self._seed, STREAMS["table"], epoch, rows, int(self._column_indices.max()) + 1)
        return np.where(numbers[:, self._column_indices] < self._fraction, self._missing, inputs)


class TableMixup:
    """mixup of stored rows: blends numbers, and takes each category from one row, with that row's share as probability.

    In expectation this equals blending one-hot categories. A number is also taken from one row if either is missing.
    """

    def __init__(self, transform: Json) -> None:
        """Reads the kinds of the inputs from `transform.json`."""
        self._is_numeric = _is_numeric(transform)

    def __call__(
        self, inputs: Cells, partners: Cells, weights: NDArray[np.float64], draw: Draw
    ) -> tuple[Cells, NDArray[np.float64]]:
        """See contracts.RowMixer."""
        own = weights[:, None].astype(np.float32)
        blended = own * inputs + (1 - own) * partners
        picked = np.where(draw(inputs.shape[1]) < weights[:, None], inputs, partners)
        return np.where(self._is_numeric & ~np.isnan(blended), blended, picked), weights


def _is_numeric(transform: Json) -> NDArray[np.bool_]:
    return np.array([entry["kind"] == "numeric" for entry in transform["inputs"]])
