"""Clean rows of a table to float32, by what train rows tell: medians, deviations, ranks and frequent values.

From what train rows tell of a column to how it is stored, and how a network's first layer reads what is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import ColumnKind, Json, Rows, Spec
from headrace.data.table.encoding.encode import NUM_SPECIAL, encode
from headrace.data.table.encoding.quantiles import knots
from headrace.data.table.encoding.statistics import ColumnStatistics, Learned, learn
from headrace.errors import DataError


class TableTransform:
    """Contracts' `Transform` of rows whose columns are numbers, categories and dates."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Learns from train rows; options: `scaling`, `max_categories`, `min_category_rows`, `num_quantiles`.

        The result is the same, to the bit, for any order of the rows and any size of a batch. Raises DataError where
        there are no rows, or no column that can be learned from.
        """
        usable = [column for column in spec.columns if column.kind in MAKERS]
        learned = learn(rows, usable, spec.num_rows)
        if not any(one.part.num_rows for one in learned.values()) and usable:
            raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")
        columns, inputs, left_out = list[Json](), list[Json](), list[Json]()
        for column in spec.columns:
            reason: str | None = f"{column.kind} beside other columns is not learned from"
            if column.name in learned:
                reason = says_nothing(learned[column.name], column.kind, options)
            if reason:
                left_out.append({"name": column.name, "reason": reason})
                continue
            made = MAKERS[column.kind](column.name, learned[column.name], options)
            columns.append(made.column | ({"order": column.date_order} if column.date_order else {}))
            inputs += made.inputs
        if not inputs:
            reasons = "; ".join(f"{one['name']}: {one['reason']}" for one in left_out[:5]) or "there is none"
            raise DataError(
                f"data/clean: no column to learn from ({reasons}); add one, or set its kind in ingest.columns"
            )
        return {"input_shape": [len(inputs)], "columns": columns, "inputs": inputs, "left_out": left_out}

    def apply(self, batch: pa.RecordBatch, transform: Json) -> NDArray[np.float32]:
        """Clean rows -> `[rows, inputs]`: NaN for a missing number, ids for categories."""
        return encode(batch, transform)


FAR = 1e4
"""Spreads from zero beyond which float32, with its 7 digits, would lose what tells rows apart (a time in seconds)."""
SMALLEST, LARGEST = 1e-7, 1e20
"""Spreads that a network's float32 divides by without going under or over."""


class Encoding(NamedTuple):
    """What becomes of a column."""

    column: Json
    """For `encode`."""
    inputs: list[Json]
    """For the preprocessing inside the network: one for each stored number."""


def numeric_inputs(name: str, learned: Learned, options: Json) -> Encoding:
    """One input: stored as it is where float32 can hold it, else less an `offset` and by a `unit`."""
    mean, std = learned.part.sums.mean_std()
    stored = _stored(mean, std or 1.0)
    column = {"name": name, "kind": "numeric", **stored}
    return Encoding(column, [_scaled(name, name, learned, stored, options)])


def date_inputs(name: str, learned: Learned, options: Json) -> Encoding:
    """Days since the median of the train rows, and where in the year, the week and (if it varies) the day."""
    stored = {"offset": float(np.floor(np.median(learned.sample))), "unit": 1.0}
    cycles = ["year", "week"] + ["day"] * (len(learned.part.times_us) > 1)
    waves = [f"{cycle}_{wave}" for cycle in cycles for wave in ("sin", "cos")]
    inputs = [_scaled(f"{name}.days", name, learned, stored, options)]
    # a missing date is told by the first; the middle of the circle is no time at all
    inputs += [_numeric(f"{name}.{wave}", name, fill=0.0, center=0.0, scale=1.0) for wave in waves]
    return Encoding({"name": name, "kind": "date", **stored, "parts": ["days", *waves]}, inputs)


def categorical_inputs(name: str, learned: Learned, options: Json) -> Encoding:
    """One input of ids: 0 unknown or rare, 1 missing, from 2 on the values by how frequent they are."""
    values = _frequent(learned.part, options)
    entry = {"name": name, "column": name, "kind": "categorical", "num_values": NUM_SPECIAL + len(values)}
    return Encoding({"name": name, "kind": "categorical", "values": values}, [entry])


MAKERS: dict[ColumnKind, Callable[[str, Learned, Json], Encoding]] = {
    "numeric": numeric_inputs,
    "categorical": categorical_inputs,
    "date": date_inputs,
}


def says_nothing(learned: Learned, kind: ColumnKind, options: Json) -> str | None:
    """Why a column cannot be learned from; None where it can."""
    part = learned.part
    if part.num_missing == part.num_rows:
        return "no train row has a value"
    if kind == "categorical" and not part.num_missing and not _frequent(part, options):
        return f"no value is in {options['min_category_rows']} train rows (normalize.table.min_category_rows)"
    return None


def _frequent(part: ColumnStatistics, options: Json) -> list[str]:
    """The most frequent values first, the same number by name."""
    found = [(-count, value) for value, count in part.counts.items() if count >= options["min_category_rows"]]
    return [value for _, value in sorted(found)[: options["max_categories"]]]


def _stored(mean: float, spread: float) -> dict[str, float]:
    if not SMALLEST <= spread <= LARGEST:
        return {"offset": mean, "unit": spread}
    return {"offset": mean if abs(mean) > FAR * spread else 0.0, "unit": 1.0}


def _scaled(name: str, column: str, learned: Learned, stored: dict[str, float], options: Json) -> Json:
    """An input by `scaling`; all of it in what is stored, which is the column less `offset`, by `unit`."""
    mean, std = learned.part.sums.mean_std()
    values = (np.sort(learned.sample) - stored["offset"]) / stored["unit"]
    mean, std = (mean - stored["offset"]) / stored["unit"], std / stored["unit"] or 1.0
    median = float(np.median(values))
    center, scale = {
        "standard": (mean, std),
        "robust": (median, _quartile_range(values) or std),
        "quantile": (median, 1.0),
        "none": (0.0, 1.0),
    }[options["scaling"]]
    entry = _numeric(name, column, fill=median, center=center, scale=scale, has_missing=learned.part.num_missing > 0)
    if options["scaling"] == "quantile":
        entry["quantiles"] = knots(values, options["num_quantiles"])
    return entry


def _quartile_range(values: NDArray[np.float64]) -> float:

    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)


def _numeric(name: str, column: str, *, fill: float, center: float, scale: float, has_missing: bool = False) -> Json:
    return {
        "name": name, "column": column, "kind": "numeric", "fill": fill, "center": center, "scale": scale,
        "has_missing": has_missing, "quantiles": None,
    }  # fmt: skip
