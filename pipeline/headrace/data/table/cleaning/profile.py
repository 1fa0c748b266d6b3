"""What must be known of a whole table before a cell can be judged: counts, medians, repeats, what tells the target.

From counts and a sample to what the survey says of a column.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Column, Json, Rows, Spec
from headrace.data.table import hashing
from headrace.data.table.cleaning import column_counts, leakage
from headrace.data.table.cleaning.cells import read_cells
from headrace.data.table.cleaning.column_counts import ColumnCounts
from headrace.data.table.parsing import DateOrder, choose_order, count_orders, numbers, stripped
from headrace.data.table.row_sample import Sample, may_be_sampled
from headrace.errors import DataError
from headrace.storage.label_codec import read_list

Floats = NDArray[np.float64]
Codes = NDArray[np.uint64]


class _Look(NamedTuple):
    """One batch's part."""

    num_rows: int
    parts: dict[str, ColumnCounts]
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
    num_rows, parts, sample = 0, dict[str, ColumnCounts](), Sample(2 * len(spec.columns))
    for look in rows.map(partial(_look, spec=spec, orders=orders)):
        if not look.num_rows:
            continue
        num_rows += look.num_rows
        for name, part in look.parts.items():
            parts[name] = column_counts.add(parts[name], part) if name in parts else part
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

    cells = read_cells(batch, spec.columns, orders)
    row_codes = hashing.of_row_ids(batch.column("row_id"))
    parts = {name: column_counts.part_of(one, row_codes) for name, one in cells.items()} if len(row_codes) else {}
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
    if spec.task != "regression":
        return hashing.of_strings(stripped(labels))
    columns = [labels]
    if spec.targets:
        cells = [read_list(label or "") or [None] * len(spec.targets) for label in labels.to_pylist()]
        columns = [pa.array([row[place] for row in cells], pa.string()) for place in range(len(spec.targets))]
    values = np.stack([numbers(column).values for column in columns], axis=1)
    return np.where(np.isfinite(values), values, np.nan)


NORMAL_MAD = 1.4826
"""Of a normal distribution's standard deviation to its median absolute deviation (Rousseeuw & Croux, JASA 1993)."""
MAX_FREQUENT = 16
"""Frequent values of a column that rows are compared by."""


class Sampled(NamedTuple):
    """The sample of a table, `[rows]` a column."""

    quantities: dict[str, Floats]
    """Of numeric columns and dates."""
    codes: dict[str, Codes]
    targets: NDArray[Any]
    """Classification: codes of labels. Regression: float64 `[rows, targets]`, NaN where there is none."""

    @classmethod
    def of(cls, sample: Sample, spec: Spec) -> Sampled:
        """By the order in which the columns were stacked."""
        quantities, all_codes, targets = sample.rows()
        measured = [column.name for column in spec.columns if column.kind in {"numeric", "date"}]
        return cls(
            {name: quantities[:, index] for index, name in enumerate(measured)},
            {column.name: all_codes[:, index] for index, column in enumerate(spec.columns)},
            targets,
        )


def facts(part: ColumnCounts, column: Column, sampled: Sampled) -> Json:
    """Plain JSON; figures of quantities are None where the column has none."""
    told: Json = {
        "missing": part.num_missing,
        "broken": part.num_broken,
        "distinct": column_counts.num_distinct(part),
        "digest": f"{part.digest:016x}",
        "frequent": _frequent(sampled.codes[column.name]),
        "is_counting": part.is_counting,
        "is_whole": part.is_whole and part.low <= part.high,
    }
    if column.name not in sampled.quantities or part.low > part.high:
        return told | {"low": None, "high": None, "median": None, "mad": None, "spread": None}
    return told | {"low": part.low, "high": part.high} | _middle(sampled.quantities[column.name])


def _middle(quantities: Floats) -> Json:
    """Median, and two measures of spread; the second is never 0, for what is scaled by it."""
    values = quantities[~np.isnan(quantities)]
    if not len(values):  # there are some, but in no row of the sample
        return {"median": None, "mad": None, "spread": None}
    with np.errstate(over="ignore"):
        median = float(np.median(values))
        mad = float(np.median(np.abs(values - median)))
        spread = NORMAL_MAD * mad or float(np.std(values))
    is_usable = np.isfinite([median, mad, spread]).all() and spread > 0
    return {"median": median, "mad": mad, "spread": spread if is_usable else 1.0}


def _frequent(column: Codes) -> list[int]:
    """Codes of the most frequent cells, sorted."""
    values, counts = np.unique(column[column != hashing.MISSING], return_counts=True)
    return sorted(values[np.argsort(-counts, kind="stable")[:MAX_FREQUENT]].tolist())


def scores(sampled: Sampled, spec: Spec) -> dict[str, float]:
    """How well each column tells the target, or one of several, in [0, 1]."""
    if spec.task == "regression":
        return {
            name: max(_correlation(sampled.quantities.get(name), column, targets) for targets in sampled.targets.T)
            for name, column in sampled.codes.items()
        }
    known = sampled.targets != hashing.MISSING
    labels = np.unique(sampled.targets[known], return_inverse=True)[1].astype(np.int64)
    return {
        name: max(
            leakage.interval_score(sampled.quantities[name][known], labels) if name in sampled.quantities else 0.0,
            leakage.purity(column[known], labels),
        )
        for name, column in sampled.codes.items()
    }


def _correlation(quantities: Floats | None, column: Codes, targets: Floats) -> float:
    by_group = leakage.group_correlation(column, targets)
    return by_group if quantities is None else max(leakage.rank_correlation(quantities, targets), by_group)
