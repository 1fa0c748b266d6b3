"""Builds a row's label: from one column, from a list, from cells with a separator, or from several columns.

Also removes the full stop that labels of test rows end in, as in the Adult dataset (`<=50K.` for `<=50K`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts import Assumption, TaskName
from headrace.data.sources.read_options import TableFormat
from headrace.storage.label_codec import decode_list, encode_names, encode_values

log = logging.getLogger(__name__)

FLAGS = {"1": True, "1.0": True, "true": True, "yes": True, "0": False, "0.0": False, "false": False, "no": False}
"""Lower-case cells of a column that says whether a row has the label of that name."""


AMBIGUOUS_MARKERS = {"NA", "None", "N/A", "n/a"}
"""Cells that mean a missing value in some tables, and North America or nothing at all in others."""
CLASS_SHARE = 0.5
"""Rows of a marker, as a fraction of those of an average class, from which on it is a class."""
NOTABLE_SHARE = 0.01


class MarkedClasses(NamedTuple):
    """Markers of missing values that are classes."""

    classes: list[str]
    assumptions: list[Assumption]


def build_labels(cells: dict[str, pa.Array], task: TaskName, separator: str | None) -> pa.Array:
    """One label per row, as storage/label_codec.py writes them, from the target columns; null if all cells are missing.

    Invalid cells are passed through, so that `clean` rejects them with a reason.
    """
    columns = [column.to_pylist() for column in cells.values()]
    if task == "multilabel" and len(cells) == 1:
        return pa.array([_split_names(cell, separator) for cell in columns[0]], pa.string())
    if len(cells) == 1:
        return next(iter(cells.values()))
    names, rows = list(cells), zip(*columns, strict=True)
    if task == "multilabel":
        return pa.array([_names_of_flags(names, row) for row in rows], pa.string())
    return pa.array([encode_values(row) if any(row) else None for row in rows], pa.string())


def find_dotted_splits(labels: Mapping[str | None, set[str]], source: str) -> dict[str | None, list[str]]:
    """Splits whose labels all become labels of the train rows once their final full stop is removed.

    Returns the labels of the train rows by split, and logs a warning. `labels`: those of some rows of each split.
    """
    train = labels.get("train", set())
    dotted = {}
    for split, others in labels.items():
        is_dotted = bool(others) and all(label.endswith(".") and label not in train for label in others)
        if is_dotted and {label.removesuffix(".") for label in others} <= train:
            dotted[split] = sorted(train)
            log.warning(
                "%s: labels of %s rows end in a full stop, those of train rows do not; it is removed (%r becomes %r)",
                source, split, min(others), min(others).removesuffix("."),
            )  # fmt: skip
    return dotted


def find_marked_classes(cells: pa.ChunkedArray, table: TableFormat) -> MarkedClasses:
    """Finds cells of a target, such as `None` or `NA`, that are as frequent as a class, and so are one.

    `cells`: those of the first rows, as they are written. What the settings name as missing is missing.
    """
    counted = pc.value_counts(cells.drop_null())
    sizes = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    others = [size for cell, size in sizes.items() if cell not in table.missing_cells]
    result = MarkedClasses([], [])
    if "missing" in table.model_fields_set or not others:
        return result
    for marker in sorted(AMBIGUOUS_MARKERS & sizes.keys()):
        share = sizes[marker] / sum(sizes.values())
        is_class = sizes[marker] >= CLASS_SHARE * sum(others) / len(others)
        if is_class:
            result.classes.append(marker)
        if is_class or share >= NOTABLE_SHARE:
            meaning, other = ("a class", "missing") if is_class else ("missing", "a class")
            text = f"{share:.0%} of the cells are {marker!r}: {meaning}, not {other}"
            setting = f"ingest.table.missing: {json.dumps(['', marker] if is_class else [''])}"
            assumption = Assumption(stage="ingest", subject="target", text=text, setting=setting, is_warning=True)
            result.assumptions.append(assumption)
    return result


def remove_trailing_dots(labels: pa.Array, known: list[str]) -> pa.Array:
    """Removes the final full stop of labels if the result is one of `known`."""
    shorter = pc.replace_substring_regex(labels, r"\.$", "")
    return pc.if_else(pc.is_in(shorter, value_set=pa.array(known, pa.string())), shorter, labels)


def _split_names(cell: str | None, separator: str | None) -> str | None:
    if cell is None:
        return None
    names = cell.split(separator) if separator is not None else decode_list(cell)
    return cell if names is None else encode_names(names)


def _names_of_flags(names: list[str], row: tuple[str | None, ...]) -> str | None:
    if not any(cell is not None for cell in row):
        return None
    flags = [FLAGS.get((cell or "").lower()) for cell in row]
    if None in flags:
        return json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
    return encode_names(name for name, is_set in zip(names, flags, strict=True) if is_set)
