"""Fits the encoding of a table's columns on train rows: scaling, offsets, quantiles and frequent categories."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Column, ColumnKind, Json, Rows, Spec
from headrace.data.table.encoding.encode import CLOCK, NUM_SPECIAL, encode_batch
from headrace.data.table.encoding.quantiles import compute_knots
from headrace.data.table.encoding.statistics import ColumnStatistics, LearnedColumn, collect_statistics
from headrace.data.text.token_ids import TokenEncoder
from headrace.data.text.transform import FittedTexts, TextLength, fit_texts, make_token_encoder
from headrace.errors import ConfigError, DataError
from headrace.storage.column_names import to_stored_name

MAX_OFFSET = 1e4
"""Means beyond this many deviations are subtracted before storing: float32's 7 digits would lose the differences."""
MAX_IDS = 2**24
"""Token ids are stored as float32, which holds integers exactly up to this one."""
NO_VALUE = "no train row has a value"
SMALLEST, LARGEST = 1e-7, 1e20
"""Deviations that float32 divides by without underflow or overflow."""


class TableTransform:
    """Implements contracts.Transform for rows of numbers, categories, dates and texts."""

    def fit(self, rows: Rows, spec: Spec, options: Json) -> Json:
        """Fits on train rows; options: `scaling`, `max_categories`, `min_category_rows`, `num_quantiles`, `text`.

        All texts share a tokenizer; for `text` see `fit_texts`. The result is identical, to the bit, for any row order
        and batch size, except for a tokenizer that is trained. Raises DataError if there are no rows or no usable
        column, and ConfigError for invalid options of `text`.
        """
        usable = [column for column in spec.columns if column.kind in ENCODERS]
        learned = collect_statistics(rows, usable, spec.num_rows)
        if usable and not any(column.statistics.num_rows for column in learned.values()):
            raise DataError("data/split: no train rows to fit on; give split.fractions a larger first part")
        names = [column.name for column in spec.columns if column.kind == "text"]
        texts = fit_texts(rows, [to_stored_name(name) for name in names], options["text"]) if names else None
        lengths = {name: texts.lengths[to_stored_name(name)] for name in names} if texts else {}
        encodings, left_out = list[ColumnEncoding](), list[Json]()
        for column in spec.columns:
            encoding = _fit_column(column, learned, lengths, options)
            if isinstance(encoding, str):
                left_out.append({"name": column.name, "reason": encoding})
            else:
                encodings.append(encoding)
        if not encodings:
            reasons = "; ".join(f"{entry['name']}: {entry['reason']}" for entry in left_out[:5]) or "there is none"
            raise DataError(
                f"data/clean: no column to learn from ({reasons}); add one, or set its kind in ingest.columns"
            )
        inputs = [entry for encoding in encodings for entry in encoding.inputs]
        columns = [encoding.column for encoding in encodings]
        transform: Json = {"input_shape": [len(inputs)], "columns": columns, "inputs": inputs, "left_out": left_out}
        return transform | (_describe_tokenizer(texts, options) if texts else {})

    def apply(self, batch: pa.RecordBatch, transform: Json) -> NDArray[np.float32]:
        """Clean rows -> `[rows, inputs]`: NaN for a missing number, ids for categories and tokens."""
        names = [column["name"] for column in transform["columns"]]
        cells = batch.select([to_stored_name(name) for name in names]).rename_columns(names)
        return encode_batch(cells, transform, make_token_encoders(transform))


def make_token_encoders(transform: Json) -> dict[str, TokenEncoder]:
    """Returns the encoder of each text column, by its name."""
    texts = [column for column in transform["columns"] if column["kind"] == "text"]
    return {column["name"]: make_token_encoder(transform, column["max_tokens"]) for column in texts}


class ColumnEncoding(NamedTuple):
    """How one column is stored and preprocessed."""

    column: Json
    """Entry of `columns`, for `encode_batch`."""
    inputs: list[Json]
    """Entries of `inputs`, one per stored number, for the preprocessing in the network."""


def _fit_column(
    column: Column, learned: dict[str, LearnedColumn], lengths: dict[str, TextLength], options: Json
) -> ColumnEncoding | str:
    """Returns how a column is stored, or why it is left out; `lengths`: those of text columns."""
    if column.name in lengths:
        length = lengths[column.name]
        return text_inputs(column.name, length) if length.max_tokens else NO_VALUE
    if column.name not in learned:
        return f"{column.kind} columns of a table are not used for training"
    reason = reason_to_leave_out(learned[column.name], column.kind, options)
    if reason:
        return reason
    encoding = ENCODERS[column.kind](column.name, learned[column.name], options)
    return encoding._replace(column=encoding.column | _notation(column))


def _describe_tokenizer(texts: FittedTexts, options: Json) -> Json:
    """The entries of `transform.json` that a data set of texts has too; empty if no column has texts."""
    if not any(length.max_tokens for length in texts.lengths.values()):
        return {}
    if texts.tokenizer.vocabulary > MAX_IDS:
        raise ConfigError(
            f"params.yaml: normalize.text.tokenizer: has {texts.tokenizer.vocabulary:,} ids; at most {MAX_IDS:,} can be"
            " stored beside numbers; use a smaller one"
        )
    return {
        "vocabulary": texts.tokenizer.vocabulary,
        "lowercase": options["text"]["lowercase"],
        "unknown": texts.tokenizer.unknown,
        "tokenizer": texts.tokenizer.tokenizer,
    }


def _notation(column: Column) -> Json:
    """How the source writes the column's cells, for serving; empty for plain ones."""
    notation = {"order": column.date_order, "number_format": column.number_format, "missing": column.missing}
    return {name: value for name, value in notation.items() if value}


def numeric_inputs(name: str, learned: LearnedColumn, options: Json) -> ColumnEncoding:
    """One input: stored as is if float32 can hold it, otherwise shifted by `offset` and divided by `unit`."""
    mean, std = learned.statistics.moments.mean_std()
    stored = _storage(mean, std or 1.0)
    column = {"name": name, "kind": "numeric", **stored}
    return ColumnEncoding(column, [_scaled_input(name, name, learned, stored, options)])


def date_inputs(name: str, learned: LearnedColumn, options: Json) -> ColumnEncoding:
    """Days since the median train date, and the position in the year, the week and, if it varies, the day."""
    stored = {"offset": float(np.floor(np.median(learned.sample))), "unit": 1.0}
    cycles = ["year", "week"] + ["day"] * (len(learned.statistics.times_us) > 1)
    waves = [f"{cycle}_{wave}" for cycle in cycles for wave in ("sin", "cos")]
    inputs = [_scaled_input(f"{name}.days", name, learned, stored, options)]
    # the first input flags a missing date; 0, the center of the circle, is no time at all
    inputs += [_numeric_input(f"{name}.{wave}", name, fill=0.0, center=0.0, scale=1.0) for wave in waves]
    return ColumnEncoding({"name": name, "kind": "date", **stored, "parts": ["days", *waves]}, inputs)


def time_inputs(name: str, learned: LearnedColumn, options: Json) -> ColumnEncoding:
    """Hours since midnight, and the position on the circle of a day, where 23:59 is next to 0:00."""
    stored = {"offset": 0.0, "unit": 1.0}
    inputs = [_scaled_input(f"{name}.hours", name, learned, stored, options)]
    # the first input flags a missing time; 0, the center of the circle, is no time at all
    inputs += [_numeric_input(f"{name}.{wave}", name, fill=0.0, center=0.0, scale=1.0) for wave in CLOCK]
    return ColumnEncoding({"name": name, "kind": "time", **stored, "parts": ["hours", *CLOCK]}, inputs)


def categorical_inputs(name: str, learned: LearnedColumn, options: Json) -> ColumnEncoding:
    """One input of ids: 0 unknown or rare, 1 missing, then the values, most frequent first."""
    values = _frequent_values(learned.statistics, options)
    entry = {"name": name, "column": name, "kind": "categorical", "num_values": NUM_SPECIAL + len(values)}
    return ColumnEncoding({"name": name, "kind": "categorical", "values": values}, [entry])


def text_inputs(name: str, length: TextLength) -> ColumnEncoding:
    """One input of ids per token: 0 after the last one."""
    inputs = [{"name": f"{name}.{index}", "column": name, "kind": "token"} for index in range(length.max_tokens)]
    return ColumnEncoding({"name": name, "kind": "text", **length._asdict()}, inputs)


ENCODERS: dict[ColumnKind, Callable[[str, LearnedColumn, Json], ColumnEncoding]] = {
    "numeric": numeric_inputs,
    "categorical": categorical_inputs,
    "date": date_inputs,
    "time": time_inputs,
}


def reason_to_leave_out(learned: LearnedColumn, kind: ColumnKind, options: Json) -> str | None:
    """Returns why a column is unusable, or None if it is usable."""
    statistics = learned.statistics
    if statistics.num_missing == statistics.num_rows:
        return NO_VALUE
    if kind == "categorical" and not statistics.num_missing and not _frequent_values(statistics, options):
        return (
            f"no value occurs in at least {options['min_category_rows']} train rows (normalize.table.min_category_rows)"
        )
    return None


def _frequent_values(statistics: ColumnStatistics, options: Json) -> list[str]:
    """The most frequent values first; ties by name."""
    ranked = [(-count, value) for value, count in statistics.counts.items() if count >= options["min_category_rows"]]
    return [value for _, value in sorted(ranked)[: options["max_categories"]]]


def _storage(mean: float, std: float) -> dict[str, float]:
    if not SMALLEST <= std <= LARGEST:
        return {"offset": mean, "unit": std}
    return {"offset": mean if abs(mean) > MAX_OFFSET * std else 0.0, "unit": 1.0}


def _scaled_input(name: str, column: str, learned: LearnedColumn, stored: dict[str, float], options: Json) -> Json:
    """The input's entry under `scaling`, in stored units: (value - offset) / unit."""
    mean, std = learned.statistics.moments.mean_std()
    values = (np.sort(learned.sample) - stored["offset"]) / stored["unit"]
    mean, std = (mean - stored["offset"]) / stored["unit"], std / stored["unit"] or 1.0
    median = float(np.median(values))
    center, scale = {
        "standard": (mean, std),
        "robust": (median, _interquartile_range(values) or std),
        "quantile": (median, 1.0),
        "none": (0.0, 1.0),
    }[options["scaling"]]
    has_missing = learned.statistics.num_missing > 0
    entry = _numeric_input(name, column, fill=median, center=center, scale=scale, has_missing=has_missing)
    if options["scaling"] == "quantile":
        entry["quantiles"] = compute_knots(values, options["num_quantiles"])
    return entry


def _interquartile_range(values: NDArray[np.float64]) -> float:
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)


def _numeric_input(
    name: str, column: str, *, fill: float, center: float, scale: float, has_missing: bool = False
) -> Json:
    return {
        "name": name, "column": column, "kind": "numeric", "fill": fill, "center": center, "scale": scale,
        "has_missing": has_missing, "quantiles": None,
    }  # fmt: skip
