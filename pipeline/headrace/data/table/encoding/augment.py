"""Augmentation of tables: a share of the cells goes missing, and rows are mixed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Draw, Json
from headrace.data.row_random import STREAMS, uniforms

Cells = NDArray[np.float32]

MISSING_ID = 1
"""Of a category; a missing number is NaN. See `encode`."""


class FeatureDropout:
    """Cells become missing ones (as in Vincent et al. 2008), which the first layer reads as the median and a flag."""

    def __init__(self, share: float, seed: int, transform: Json) -> None:
        """`share` of the cells in [0, 1); all stored numbers of a date are dropped together."""
        self._share, self._seed = share, seed
        inputs = transform["inputs"]
        columns = list(dict.fromkeys(entry["column"] for entry in inputs))
        self._places = np.array([columns.index(entry["column"]) for entry in inputs])
        self._missing = np.where(_are_numbers(transform), np.float32(np.nan), np.float32(MISSING_ID))

    def __call__(self, inputs: Cells, rows: NDArray[np.int64], epoch: int) -> Cells:
        """Stored `[rows, inputs]`, positions of these rows -> the same shape."""
        numbers = uniforms(self._seed, STREAMS["table"], epoch, rows, int(self._places.max()) + 1)
        return np.where(numbers[:, self._places] < self._share, self._missing, inputs)


class TableMixup:
    """mixup of stored rows: numbers are blended, of categories one is taken, the likelier the larger its row's share.

    So is one taken of two numbers of which one is missing. In the mean that is the blend of one-hot categories.
    """

    def __init__(self, transform: Json) -> None:
        """Reads what the columns are."""
        self._are_numbers = _are_numbers(transform)

    def __call__(
        self, inputs: Cells, partners: Cells, shares: NDArray[np.float64], draw: Draw
    ) -> tuple[Cells, NDArray[np.float64]]:
        """See Mix."""
        own = shares[:, None].astype(np.float32)
        blended = own * inputs + (1 - own) * partners
        taken = np.where(draw(inputs.shape[1]) < shares[:, None], inputs, partners)
        return np.where(self._are_numbers & ~np.isnan(blended), blended, taken), shares


def _are_numbers(transform: Json) -> NDArray[np.bool_]:

    return np.array([entry["kind"] == "numeric" for entry in transform["inputs"]])
