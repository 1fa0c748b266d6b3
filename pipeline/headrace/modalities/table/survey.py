"""What must be known of a whole table before a cell can be judged: counts, medians, repeats, what tells the target."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from headrace.contracts import Json, Rows, Spec
from headrace.errors import DataError
from headrace.modalities.table import codes, column_part
from headrace.modalities.table.cells import read_cells
from headrace.modalities.table.column_part import Part
from headrace.modalities.table.facts import Sampled, facts, scores
from headrace.modalities.table.parse import DateOrder, choose_order, count_orders, numbers, stripped
from headrace.modalities.table.sample import Sample, may_be_sampled
from headrace.storage.label_codec import read_list

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.uint64]


class _Look(NamedTuple):
    """One batch's part."""

    num_rows: int
    parts: dict[str, Part]
    row_codes: Codes
    quantities: Floats  # [rows, columns that have them]
    codes: Codes  # [rows, columns]
    targets: Codes | Floats  # [rows], of regression [rows, targets]


def survey(rows: Rows, spec: Spec, options: Json) -> Json:
    """Facts of every column by name, and how many rows there are; plain JSON.

    Counts, extremes and digests are of all rows; medians and scores are of the rows that `Sample` holds. Raises
    DataError where there are none.
    """
    orders = _date_orders(rows, spec)
    num_rows, parts, sample = 0, dict[str, Part](), Sample(2 * len(spec.columns))
    for look in rows.map(partial(_look, spec=spec, orders=orders)):
        if not look.num_rows:
            continue
        num_rows += look.num_rows
        for name, part in look.parts.items():
            parts[name] = column_part.add(parts[name], part) if name in parts else part
        sample.add(look.row_codes, look.quantities, look.codes, look.targets)
    if not num_rows:
        raise DataError("data/raw: no rows; give ingest.source more, and run: dvc repro")
    sampled = Sampled.of(sample, spec)
    found = scores(sampled, spec) if "leakage" in options else {}
    return {
        "num_rows": num_rows,
        "columns": {
            column.name: facts(parts[column.name], column, sampled)
            | {"order": orders.get(column.name), "score": found.get(column.name)}
            for column in spec.columns
        },
    }


def _date_orders(rows: Rows, spec: Spec) -> dict[str, DateOrder]:
    """What 3/4/2024 means in each column of dates that has such cells: what fits most of all of them."""
    names = [column.name for column in spec.columns if column.kind == "date"]
    if not names:
        return {}
    totals = dict.fromkeys(names, (0, 0))
    for counts in rows.map(partial(_count_orders, names=names)):
        totals = {name: (totals[name][0] + counts[name][0], totals[name][1] + counts[name][1]) for name in names}
    return {name: choose_order(*total) for name, total in totals.items() if any(total)}


def _count_orders(batch: pa.RecordBatch, names: list[str]) -> dict[str, tuple[int, int]]:
    return {name: count_orders(batch.column(name)) for name in names}


def _look(batch: pa.RecordBatch, spec: Spec, orders: dict[str, DateOrder]) -> _Look:
    import numpy as np

    cells = read_cells(batch, spec.columns, orders)
    row_codes = codes.of_row_ids(batch.column("row_id"))
    parts = {name: column_part.part_of(one, row_codes) for name, one in cells.items()} if len(row_codes) else {}
    kept = may_be_sampled(row_codes, spec.num_rows)
    quantities = [one.quantities for one in cells.values() if one.quantities is not None]
    return _Look(
        batch.num_rows, parts, row_codes[kept],
        np.stack(quantities, axis=1)[kept] if quantities else np.empty((int(kept.sum()), 0)),
        np.stack([one.codes for one in cells.values()], axis=1)[kept] if cells else np.empty((kept.sum(), 0), "u8"),
        _targets(batch.column("label"), spec)[kept],
    )  # fmt: skip


def _targets(labels: pa.Array, spec: Spec) -> Codes | Floats:
    """Of regression `[rows, targets]`."""
    import numpy as np
    import pyarrow as pa

    if spec.task != "regression":
        return codes.of_strings(stripped(labels))
    columns = [labels]
    if spec.targets:
        cells = [read_list(label or "") or [None] * len(spec.targets) for label in labels.to_pylist()]
        columns = [pa.array([row[place] for row in cells], pa.string()) for place in range(len(spec.targets))]
    values = np.stack([numbers(column).values for column in columns], axis=1)
    return np.where(np.isfinite(values), values, np.nan)
