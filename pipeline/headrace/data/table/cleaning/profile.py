"""Profile of a whole table, needed before cells can be checked: counts, medians, digests and leakage scores."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Column, Json, Rows, Spec
from headrace.data.table import hashing
from headrace.data.table.cleaning import leakage
from headrace.data.table.cleaning.cells import read_columns
from headrace.data.table.cleaning.column_counts import ColumnCounts, count_column, estimate_distinct, merge_counts
from headrace.data.table.hashing import Hashes
from headrace.data.table.parsing import DateOrder, choose_date_order, count_date_orders, parse_numbers, strip_whitespace
from headrace.data.table.row_sample import RowSample, find_sample_candidates
from headrace.errors import DataError
from headrace.storage.column_names import to_stored_name
from headrace.storage.label_codec import decode_list

Floats = NDArray[np.float64]

NORMAL_MAD = 1.4826
"""Ratio of a normal distribution's standard deviation to its median absolute deviation (Rousseeuw & Croux, 1993)."""
MAX_FREQUENT = 16
"""Frequent values of a column that become features."""


class SampledRows(NamedTuple):
    """Sampled rows of a table, one array `[rows]` per column."""

    quantities: dict[str, Floats]
    """For numeric and date columns."""
    hashes: dict[str, Hashes]
    targets: NDArray[Any]
    """Classification: hashes of labels. Regression: float64 `[rows, targets]`, NaN for missing values."""

    @classmethod
    def from_sample(cls, sample: RowSample, spec: Spec) -> SampledRows:
        """Splits the stacked arrays by column."""
        quantities, hashes, targets = sample.rows()
        numeric = [column.name for column in spec.columns if column.kind in {"numeric", "date", "time"}]
        return cls(
            {name: quantities[:, index] for index, name in enumerate(numeric)},
            {column.name: hashes[:, index] for index, column in enumerate(spec.columns)},
            targets,
        )


class _BatchProfile(NamedTuple):
    num_rows: int
    counts: dict[str, ColumnCounts]
    row_hashes: Hashes
    quantities: Floats  # [rows, numeric and date columns]
    hashes: Hashes  # [rows, columns]
    targets: Hashes | Floats  # [rows]; for regression [rows, targets]


def profile_table(rows: Rows, spec: Spec, options: Json) -> Json:
    """Returns the number of rows and facts about each column, as plain JSON.

    Counts, extremes and digests cover all rows; medians and scores cover the sampled rows. Raises DataError if there
    are no rows.
    """
    by_order = _count_by_order(rows, spec)
    orders = _choose_orders(by_order, spec)
    num_rows, totals, sample = 0, dict[str, ColumnCounts](), RowSample(2 * len(spec.columns))
    for batch in rows.map(partial(_profile_batch, spec=spec, orders=orders)):
        if not batch.num_rows:
            continue
        num_rows += batch.num_rows
        for name, counts in batch.counts.items():
            totals[name] = merge_counts(totals[name], counts) if name in totals else counts
        sample.add(batch.row_hashes, batch.quantities, batch.hashes, batch.targets)
    if not num_rows:
        raise DataError("data/raw: no rows; add rows to ingest.source, and run: dvc repro")
    sampled = SampledRows.from_sample(sample, spec)
    scores = leakage_scores(sampled, spec) if "leakage" in options else {}
    return {
        "num_rows": num_rows,
        "columns": {
            column.name: column_facts(totals[column.name], column, sampled)
            | {"order": orders.get(column.name, column.date_order), "num_by_order": by_order.get(column.name)}
            | {"score": scores.get(column.name)}
            for column in spec.columns
        },
    }


def column_facts(counts: ColumnCounts, column: Column, sampled: SampledRows) -> Json:
    """Returns plain JSON; statistics of quantities are None if the column has none."""
    facts: Json = {
        "missing": counts.num_missing,
        "broken": counts.num_broken,
        "distinct": estimate_distinct(counts),
        "digest": f"{counts.digest:016x}",
        "frequent": _frequent(sampled.hashes[column.name]),
        "is_counting": counts.is_counting,
        "is_integer": counts.is_integer and counts.low <= counts.high,
    }
    if column.name not in sampled.quantities or counts.low > counts.high:
        return facts | {"low": None, "high": None, "median": None, "mad": None, "spread": None}
    return facts | {"low": counts.low, "high": counts.high} | _location_and_spread(sampled.quantities[column.name])


def leakage_scores(sampled: SampledRows, spec: Spec) -> dict[str, float]:
    """How well each column alone predicts the target, in [0, 1]; with several targets, the best predicted one."""
    if spec.task == "regression":
        return {
            name: max(_correlation(sampled.quantities.get(name), hashes, targets) for targets in sampled.targets.T)
            for name, hashes in sampled.hashes.items()
        }
    has_label = sampled.targets != hashing.MISSING_HASH
    labels = np.unique(sampled.targets[has_label], return_inverse=True)[1].astype(np.int64)
    return {
        name: max(
            leakage.interval_score(sampled.quantities[name][has_label], labels) if name in sampled.quantities else 0.0,
            leakage.leave_one_out_accuracy(hashes[has_label], labels),
        )
        for name, hashes in sampled.hashes.items()
    }


def _count_by_order(rows: Rows, spec: Spec) -> dict[str, tuple[int, int]]:
    """Cells such as 3/4/2024 of each date column that are dates day first, and month first."""
    names = [column.name for column in spec.columns if column.kind == "date"]
    totals = dict.fromkeys(names, (0, 0))
    for counts in rows.map(partial(_count_orders, names=names)) if names else ():
        totals = {name: (totals[name][0] + counts[name][0], totals[name][1] + counts[name][1]) for name in names}
    return totals


def _choose_orders(totals: dict[str, tuple[int, int]], spec: Spec) -> dict[str, DateOrder]:
    """The order that the settings name, or that most cells fit, for each date column that has such cells."""
    set_orders = {column.name: column.date_order for column in spec.columns}
    return {name: set_orders[name] or choose_date_order(*total) for name, total in totals.items() if any(total)}


def _count_orders(batch: pa.RecordBatch, names: list[str]) -> dict[str, tuple[int, int]]:
    return {name: count_date_orders(batch.column(to_stored_name(name))) for name in names}


def _profile_batch(batch: pa.RecordBatch, spec: Spec, orders: dict[str, DateOrder]) -> _BatchProfile:
    columns = read_columns(batch, spec.columns, orders)
    row_hashes = hashing.hash_row_ids(batch.column("row_id"))
    counts = {name: count_column(cells, row_hashes) for name, cells in columns.items()} if len(row_hashes) else {}
    is_candidate = find_sample_candidates(row_hashes, spec.num_rows)
    empty = np.empty((batch.num_rows, 0))
    quantities = [cells.quantities for cells in columns.values() if cells.quantities is not None]
    hashes = [cells.hashes for cells in columns.values()]
    return _BatchProfile(
        batch.num_rows, counts, row_hashes[is_candidate],
        (np.stack(quantities, axis=1) if quantities else empty)[is_candidate],
        (np.stack(hashes, axis=1) if hashes else empty.astype(np.uint64))[is_candidate],
        _targets(batch.column("label"), spec)[is_candidate],
    )  # fmt: skip


def _targets(labels: pa.Array, spec: Spec) -> Hashes | Floats:
    if spec.task != "regression":
        return hashing.hash_strings(strip_whitespace(labels))
    columns = [labels]
    if spec.targets:
        cells = [decode_list(label or "") or [None] * len(spec.targets) for label in labels.to_pylist()]
        columns = [pa.array([row[index] for row in cells], pa.string()) for index in range(len(spec.targets))]
    values = np.stack([parse_numbers(column).values for column in columns], axis=1)
    return np.where(np.isfinite(values), values, np.nan)


def _location_and_spread(quantities: Floats) -> Json:
    """Median, median absolute deviation, and a spread that is never 0, for scaling."""
    values = quantities[~np.isnan(quantities)]
    if not len(values):  # no sampled row has a value, though other rows do
        return {"median": None, "mad": None, "spread": None}
    with np.errstate(over="ignore"):
        median = float(np.median(values))
        mad = float(np.median(np.abs(values - median)))
        spread = NORMAL_MAD * mad or float(np.std(values))
    is_usable = np.isfinite([median, mad, spread]).all() and spread > 0
    return {"median": median, "mad": mad, "spread": spread if is_usable else 1.0}


def _frequent(hashes: Hashes) -> list[int]:
    """Hashes of the most frequent cells, sorted."""
    values, counts = np.unique(hashes[hashes != hashing.MISSING_HASH], return_counts=True)
    return sorted(values[np.argsort(-counts, kind="stable")[:MAX_FREQUENT]].tolist())


def _correlation(quantities: Floats | None, hashes: Hashes, targets: Floats) -> float:
    by_group = leakage.group_correlation(hashes, targets)
    return by_group if quantities is None else max(leakage.rank_correlation(quantities, targets), by_group)
