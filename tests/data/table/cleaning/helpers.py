"""Batches of raw table rows, and their specs, for the tests of this folder."""

import pickle
from hashlib import blake2b

import pyarrow as pa

from headrace.contracts import Column, Spec
from headrace.data.cleaning.checks import resolve_rules

OPTIONS = {name: rule.options for name, rule in resolve_rules({}, "table").items()}


class Batches:
    """Rows in batches, processed in this process."""

    def __init__(self, *batches: pa.RecordBatch) -> None:
        self.batches = batches

    def map(self, work):
        return map(pickle.loads(pickle.dumps(work)), self.batches)


def table_of(columns: dict[str, list], labels: list[str | None] | None = None) -> pa.Table:
    """Cells as strings; without `labels` two classes at random."""
    num_rows = len(next(iter(columns.values())))
    ids = [blake2b(str(row).encode(), digest_size=16).hexdigest() for row in range(num_rows)]
    labels = labels or ["ab"[int(row_id[0], 16) % 2] for row_id in ids]
    cells = [
        pa.array([None if cell is None else str(cell) for cell in column], pa.string()) for column in columns.values()
    ]
    return pa.table([pa.array(ids), pa.array(labels, pa.string()), *cells], names=["row_id", "label", *columns])


def batch_of(columns: dict[str, list]) -> pa.RecordBatch:
    """The rows of `table_of` in one batch."""
    return table_of(columns).combine_chunks().to_batches()[0]


def spec_of(task: str = "classification", num_rows: int = 0, **kinds: str) -> Spec:
    columns = [Column(name=name, kind=kind) for name, kind in kinds.items()]
    return Spec(modality="table", task=task, source="x", format="table", num_rows=num_rows, columns=columns)
