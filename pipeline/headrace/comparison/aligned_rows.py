"""The test rows that two models have in common, in one order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.comparison.recorded_model import RecordedModel
from headrace.evaluation.comparison import COMPARISONS
from headrace.storage.split_index import to_ascii_ids

ENOUGH = 2
"""Rows that a comparison needs at least."""


@dataclass(frozen=True)
class Answers:
    """The answers of one model to the common rows, by column."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, *names: str) -> bool:
        """Whether all these columns are there."""
        return all(name in self.table.column_names for name in names)

    def read(self, name: str) -> NDArray[Any]:
        """`[rows]`: a column; texts are objects."""
        values = self.table.column(name).to_pylist()  # Arrow's to_numpy would import pandas too
        return np.array(values, object if pa.types.is_string(self.table.schema.field(name).type) else None)

    @cached_property
    def outcomes(self) -> NDArray[np.float64]:
        """`[rows]`: 1 for right and 0 for wrong, the share of wrong labels, or the error."""
        name = next(name for name in COMPARISONS if name in self.table.column_names)
        return self.read(name).astype(np.float64)

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes or labels whose probabilities are stored; empty if none are."""
        if not self.has("probabilities"):
            return []
        return [field.name for field in self.table.schema.field("probabilities").type]

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """`[rows, classes]`, calibrated."""
        parts = self.table.column("probabilities").combine_chunks().flatten()
        return np.column_stack([np.from_dlpack(part) for part in parts])

    @property
    def targets(self) -> list[str]:
        """Names of several targets; empty for one."""
        return [name.removeprefix("target ") for name in self.table.column_names if name.startswith("target ")]


@dataclass(frozen=True)
class AlignedRows:
    """The rows that both models were tested on, sorted by id."""

    row_ids: NDArray[np.bytes_]
    first: Answers
    second: Answers
    num_first: int
    """Test rows of each model."""
    num_second: int
    num_relabelled: int
    """Common rows with other targets in the second model, which are left out."""

    def __len__(self) -> int:
        return len(self.row_ids)

    @property
    def are_all(self) -> bool:
        """Whether both models were tested on exactly these rows."""
        return len(self) == self.num_first == self.num_second

    @property
    def are_enough(self) -> bool:
        """Whether there is anything to compare."""
        return len(self) >= ENOUGH


def align_rows(first: RecordedModel, second: RecordedModel) -> AlignedRows:
    """Finds the common rows by their ids; a row whose target has changed is not the same row."""
    tables = (first.answers, second.answers)
    sizes = (tables[0].num_rows, tables[1].num_rows)
    if first.task != second.task:
        nothing = [Answers(table.slice(0, 0)) for table in tables]
        return AlignedRows(np.empty(0, "S32"), nothing[0], nothing[1], sizes[0], sizes[1], 0)
    # not by positions in NumPy: to make them Arrow's, pyarrow imports pandas, in half a second
    common = [
        table.filter(pc.is_in(table.column("row_id"), value_set=other.column("row_id"))).sort_by("row_id")
        for table, other in (tables, tables[::-1])
    ]
    is_same = _find_equal_targets(common[0], common[1])
    aligned = [table if is_same is None else table.filter(is_same) for table in common]
    answers = [Answers(table.combine_chunks()) for table in aligned]
    row_ids = to_ascii_ids(aligned[0].column("row_id"))
    num_relabelled = common[0].num_rows - len(row_ids)
    return AlignedRows(row_ids, answers[0], answers[1], sizes[0], sizes[1], num_relabelled)


def _find_equal_targets(first: pa.Table, second: pa.Table) -> pa.ChunkedArray | None:
    """Whether the targets of each row are equal, of those that both tables have; None if they have none."""
    names = [name for name in first.column_names if name == "target" or name.startswith("target ")]
    pairs = [(first.column(name), second.column(name)) for name in names if name in second.column_names]
    return reduce(pc.and_, (pc.equal(*pair) for pair in pairs)) if pairs else None
