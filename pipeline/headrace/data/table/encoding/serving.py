"""Encodes the rows of a prediction request. Copied into served table models."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.table.encoding.encode import batch_from_rows, encode_batch


class Encoder:
    """Rows by the source's column names -> the graph's inputs."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """`card` has `columns` and `inputs`, as in `transform.json`."""
        del artifacts
        self._transform = card

    def __call__(self, rows: list[dict[str, Any]]) -> NDArray[np.float32]:
        """-> float32 `[rows, inputs]`; raises ValueError for ambiguous dates."""
        return encode_batch(batch_from_rows(rows, self._transform), self._transform)
