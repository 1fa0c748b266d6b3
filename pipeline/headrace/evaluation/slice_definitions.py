"""COLUMNS: the columns and measures by which the rows of each modality are sliced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.data.image.open_image import open_image, suppress_decoder_warnings
from headrace.data.table.encoding.decode import count_tokens, format_value, inputs_by_column, tokens_by_column
from headrace.data.table.parsing import parse_numbers
from headrace.errors import ConfigError, choices
from headrace.evaluation.predictions import Predictions
from headrace.evaluation.slices import TERCILES, SliceKey, Slices, mean_by_row, tercile_slices
from headrace.storage.arrays import Arrays, list_stored_columns, read_columns
from headrace.storage.ragged import Ragged
from headrace.storage.split_index import read_rows

Columns: TypeAlias = dict[str, NDArray[Any]]
"""Name -> `[rows]`: numbers (NaN if missing), or texts."""


class Third(NamedTuple):
    """A slice of the lower, middle or upper third of the rows by a number."""

    column: str
    third: str
    lowest: str
    highest: str


MIN_ROWS = 20
"""Rows that a value needs to become a slice."""
MAX_VALUES = 10
"""Values of a column that become slices: the commonest."""
MAX_COLUMNS = 40
"""Columns that are sliced unless `test.slices` names others: the first in the data's order."""
MAX_IMAGE_BYTES = 2**30
"""Of `data/clean`, which is read as a whole to find the sizes of its images."""
MISSING = "missing"


def measure_images(arrays: Arrays, transform: Json) -> Columns:
    """The brightness of each image, in levels of 0 to 255."""
    del transform
    return {"brightness": mean_by_row(arrays.inputs[:])}


def read_image_sizes(clean_dir: Path, row_ids: NDArray[np.bytes_]) -> Columns:
    """The longer side of each image in pixels, before it was resized; not of sources above MAX_IMAGE_BYTES."""
    if sum(path.stat().st_size for path in clean_dir.glob("part-*.parquet")) > MAX_IMAGE_BYTES:
        return {}
    sides = []
    with suppress_decoder_warnings():
        for image in read_rows(clean_dir, row_ids, ["image"]).column("image"):
            with open_image(image.as_py()) as header:  # pixels are not decoded
                sides.append(float(max(header.size)))
    return {"side": np.array(sides)}


def measure_texts(arrays: Arrays, transform: Json) -> Columns:
    """The length of each text in tokens."""
    del transform
    return {"tokens": cast("Ragged", arrays.inputs).lengths.astype(float)}


def decode_columns(arrays: Arrays, transform: Json) -> Columns:
    """The columns of a table that the model has: categories and few different numbers as texts.

    A text stands for its length in tokens.
    """
    return {name: decode_column(arrays, transform, name) for name in inputs_by_column(transform)}


def decode_column(arrays: Arrays, transform: Json, name: str) -> NDArray[Any]:
    """One of these columns."""
    indices = inputs_by_column(transform)[name]
    if name in tokens_by_column(transform):
        return count_tokens(np.asarray(arrays.inputs), indices)
    stored = arrays.inputs[:, indices[0]]  # of a date: its days
    values, places = np.unique(stored, return_inverse=True)
    if transform["inputs"][indices[0]]["kind"] == "numeric" and np.isfinite(values).sum() > MAX_VALUES:
        return np.asarray(stored, np.float64)
    names = [format_value(transform, indices[0], float(value)) for value in values]
    return np.array(names, object)[places]


COLUMNS: dict[str, Callable[[Arrays, Json], Columns]] = {
    "image": measure_images,
    "text": measure_texts,
    "table": decode_columns,
}
"""Modality -> rows and `transform.json` -> what they are sliced by."""


def read_other_columns(folder: Path | None, names: Sequence[str]) -> Columns:
    """Columns of the source that the model has not, such as ignored ones; numbers where every cell is one.

    `folder`: that of the split.
    """
    table = read_columns(folder, names) if folder else pa.table({})
    return {name: _parse_column(table.column(name).combine_chunks()) for name in table.column_names}


def list_other_columns(folder: Path | None) -> list[str]:
    """Lists these columns."""
    return list_stored_columns(folder) if folder else []


def collect_columns(predictions: Predictions, clean_dir: Path) -> Columns:
    """What the rows of a split can be sliced by, in the modality's own measures and the source's columns."""
    columns = COLUMNS[predictions.spec.modality](predictions.arrays, predictions.transform)
    if predictions.spec.modality == "image":
        columns |= read_image_sizes(clean_dir, predictions.arrays.row_ids)
    others = [name for name in list_other_columns(predictions.folder) if name not in columns]
    return columns | read_other_columns(predictions.folder, others)


def slice_columns(columns: Columns) -> Slices:
    """Thirds of numbers, the commonest values of texts, and missing ones if there are enough."""
    slices: dict[SliceKey, NDArray[np.bool_]] = {}
    for name, values in columns.items():
        found = slice_values(values, min_rows=MIN_ROWS, max_values=MAX_VALUES)
        if values.dtype == object and len(set(values)) == 1:  # the slice would be all rows
            continue
        if values.dtype != object and np.unique(values[~np.isnan(values)]).size < len(TERCILES):
            found = {value: rows for value, rows in found.items() if value == MISSING}
        slices |= {SliceKey(name, value): rows for value, rows in found.items()}
    return slices


def slice_values(values: NDArray[Any], *, min_rows: int, max_values: int) -> dict[str, NDArray[np.bool_]]:
    """Value -> `[rows]` of one column: thirds of numbers, the commonest texts, and missing ones.

    Texts and missing values need `min_rows` rows.
    """
    if values.dtype != object:
        is_missing = np.isnan(values)
        thirds = {} if is_missing.all() else {key.value: rows for key, rows in tercile_slices("", values).items()}
        return {**thirds, MISSING: is_missing} if is_missing.sum() >= min_rows else thirds
    distinct, counts = np.unique(values.astype(str), return_counts=True)
    common = sorted((-count, value) for value, count in zip(distinct, counts, strict=True) if count >= min_rows)
    return {str(value): np.asarray(values == value) for _, value in common[:max_values]}


def bound_thirds(columns: Columns, slices: Slices, transform: Json) -> list[Third]:
    """Lists the lowest and the highest value of each third among the slices, as the source has them."""
    parts = [(key, columns[key.column][rows]) for key, rows in slices.items() if key.column in columns]
    return [
        Third(*key, *(_format_number(transform, key.column, float(value)) for value in (values.min(), values.max())))
        for key, values in parts
        if key.value in TERCILES and values.dtype != object and len(values)
    ]


def _format_number(transform: Json, column: str, stored: float) -> str:
    """A number of one of the columns that are sliced; those of the model are stored with an offset and a unit."""
    indices = inputs_by_column(transform).get(column, []) if "inputs" in transform else []
    if not indices or column in tokens_by_column(transform):
        return f"{stored:.6g}"
    return format_value(transform, indices[0], stored)


def define_slices(columns: Columns, wanted: Sequence[str] | None) -> Slices:
    """The slices by the columns that `test.slices` names, or by the first MAX_COLUMNS; raises ConfigError."""
    for name in wanted or ():
        if name not in columns:
            raise ConfigError(f"params.yaml: test.slices: no column {name!r}; {choices(name, columns)}")
    names = list(columns)[:MAX_COLUMNS] if wanted is None else wanted
    return slice_columns({name: columns[name] for name in names})


def _parse_column(cells: pa.Array) -> NDArray[Any]:
    """`[rows]`: days, numbers or texts; few different values are texts, since they may be numbered groups."""
    if pa.types.is_timestamp(cells.type):
        days: NDArray[np.datetime64] = cells.to_numpy(zero_copy_only=False).astype("M8[D]")
        return np.asarray(np.where(np.isnat(days), np.nan, days.astype(np.int64)), np.float64)
    if not pa.types.is_string(cells.type):
        return np.asarray(cells.to_numpy(zero_copy_only=False), np.float64)
    texts: NDArray[np.object_] = cells.fill_null(MISSING).to_numpy(zero_copy_only=False)
    if len(set(texts)) <= MAX_VALUES:
        return texts
    numbers = parse_numbers(cells).values
    return numbers if np.isfinite(numbers).sum() == len(cells) - cells.null_count else texts
