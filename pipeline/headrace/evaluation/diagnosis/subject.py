"""The tested model and its rows, as every part of the diagnosis takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.evaluation.predictions import Predictions
from headrace.evaluation.result import EvaluationResult
from headrace.evaluation.slices import Slices
from headrace.storage.split_index import read_rows


@dataclass(frozen=True)
class Subject:
    """What is diagnosed."""

    predictions: Predictions
    """Of the selected graph, on the test rows."""
    result: EvaluationResult
    slices: Slices
    quality: str
    """Name of the metric that `quality_by_row` averages to."""
    quality_by_row: Callable[[NDArray[np.float32], NDArray[Any]], NDArray[np.float64]]
    clean_dir: Path
    """Rows as the source has them."""
    val_dir: Path
    """Arrays of the validation rows."""
    sources: pa.ChunkedArray | None
    """Places of the test rows in the source."""
    seed: int

    def read_rows(self, positions: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Reads columns of test rows, at ascending positions, from `data/clean`; in one chunk."""
        row_ids = np.asarray(self.predictions.arrays.row_ids[positions])
        return read_rows(self.clean_dir, row_ids, columns).combine_chunks()
