"""The test rows that the project has now: what they are, and how they can be sliced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.config import read_params
from headrace.contracts import Json, Spec
from headrace.errors import ConfigError, DataError
from headrace.evaluation.diagnosis.row_contents import SplitRows, read_contents
from headrace.evaluation.slice_definitions import (
    COLUMNS,
    Columns,
    define_slices,
    list_other_columns,
    read_other_columns,
)
from headrace.evaluation.slices import Slices
from headrace.paths import Paths
from headrace.storage.arrays import open_arrays
from headrace.storage.split_index import find_positions


@dataclass(frozen=True)
class ProjectRows:
    """The test rows of `data/normalized`, which need not be those that stored models were tested on."""

    folder: Path
    """That of the split."""
    rows: SplitRows
    wanted_slices: list[str] | None
    """`test.slices` of `params.yaml`."""

    @cached_property
    def columns(self) -> Columns:
        """What the rows can be sliced by, but for the sizes of images: opening each file takes seconds."""
        rows = self.rows
        columns = COLUMNS[rows.modality](rows.arrays, rows.transform)
        others = [name for name in list_other_columns(self.folder) if name not in columns]
        return columns | read_other_columns(self.folder, others)

    def slice_rows(self, row_ids: NDArray[np.bytes_]) -> Slices:
        """Slice -> `[rows]`: which of these rows, sorted by id, are in it; empty unless the project has them all."""
        places, is_present = self._find(row_ids)
        if not is_present.all():
            return {}
        known = {name: values[places] for name, values in self.columns.items()}
        wanted = [name for name in self.wanted_slices or () if name in known]
        return define_slices(known, wanted or None)

    def read_contents(self, row_ids: NDArray[np.bytes_]) -> list[Json]:
        """Returns `pixels`, `text` or `cells` of each row; empty for rows that the project does not have."""
        places, is_present = self._find(row_ids)
        contents = iter(read_contents(self.rows, places[is_present].astype(np.int64)))
        return [next(contents) if present else {} for present in is_present.tolist()]

    def _find(self, row_ids: NDArray[np.bytes_]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        own: NDArray[Any] = np.asarray(self.rows.arrays.row_ids)
        return find_positions(row_ids, own)


def open_project_rows(paths: Paths) -> ProjectRows | None:
    """Opens the test rows; None if there are none, as in a clone without data."""
    try:
        folder = paths.normalized_dir / "test"
        spec, arrays = Spec.read(paths.normalized_dir), open_arrays(folder)
        transform = json.loads((paths.normalized_dir / "transform.json").read_bytes())
    except (DataError, OSError, ValueError):
        return None
    try:
        section = read_params(paths.params_path).get("test") or {}
    except ConfigError:  # the stages report it
        section = {}
    return ProjectRows(folder, SplitRows(arrays, spec.modality, transform, paths.clean_dir), section.get("slices"))
