"""What a served model makes of the rows it is asked about. Travels with the model: needs no other room."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.table.encoding.encode import batch_from_rows, encode


class Encoder:
    """Rows by the source's column names -> the graph's inputs."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """`card` tells `columns` and `inputs`, as `transform.json` does."""
        del artifacts
        self._transform = card

    def __call__(self, rows: list[dict[str, Any]]) -> NDArray[np.float32]:
        """-> float32 `[rows, inputs]`; raises ValueError for dates that mean two different days."""
        return encode(batch_from_rows(rows, self._transform), self._transform)
