"""Labels of rows that have several: from a column of lists, one with a separator, or several columns.

Labels that are spelt otherwise in the test rows: `<=50K.` for `<=50K`, as in the set Adult.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts import TaskName
from headrace.storage.label_codec import read_list, write_names, write_values

FLAGS = {"1": True, "1.0": True, "true": True, "yes": True, "0": False, "0.0": False, "false": False, "no": False}
"""Lower-case cells of a column that says whether a row has the label of its name."""


def label_cells(cells: dict[str, pa.Array], task: TaskName, separator: str | None) -> pa.Array:
    """Cells of the target columns, by name, -> a label a row: see storage/labels.py; null where no column has a value.

    What cannot be read stays as it is, for `clean` to reject with its reason.
    """
    columns = [column.to_pylist() for column in cells.values()]
    if task == "multilabel" and len(cells) == 1:
        return pa.array([_names(cell, separator) for cell in columns[0]], pa.string())
    if len(cells) == 1:
        return next(iter(cells.values()))
    names, rows = list(cells), zip(*columns, strict=True)
    if task == "multilabel":
        return pa.array([_flagged(names, row) for row in rows], pa.string())
    return pa.array([write_values(row) if any(row) else None for row in rows], pa.string())


def _names(cell: str | None, separator: str | None) -> str | None:
    if cell is None:
        return None
    if separator is not None:
        return write_names(cell.split(separator))
    found = read_list(cell)
    return cell if found is None else write_names(found)


def _flagged(names: list[str], row: tuple[str | None, ...]) -> str | None:
    if not any(cell is not None for cell in row):
        return None
    flags = [FLAGS.get((cell or "").lower()) for cell in row]
    if None in flags:
        return json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
    return write_names(name for name, is_set in zip(names, flags, strict=True) if is_set)


log = logging.getLogger(__name__)


def dotted_splits(labels: Mapping[str | None, set[str]], source: str) -> dict[str | None, list[str]]:
    """Splits whose labels all become labels of the train rows when a full stop at their end is left out.

    Returns those labels by split; `labels` are of some rows of each split. Warns of what it found.
    """
    train = labels.get("train", set())
    found = {}
    for split, others in labels.items():
        is_dotted = bool(others) and all(label.endswith(".") and label not in train for label in others)
        if is_dotted and {label.removesuffix(".") for label in others} <= train:
            found[split] = sorted(train)
            log.warning(
                "%s: labels of %s rows end in a full stop, those of train rows do not; it is left out (%r is %r)",
                source, split, min(others), min(others).removesuffix("."),
            )  # fmt: skip
    return found


def without_dots(labels: pa.Array, known: list[str]) -> pa.Array:
    """Leaves out the full stop at the end of labels where what remains is known."""
    shorter = pc.replace_substring_regex(labels, r"\.$", "")
    return pc.if_else(pc.is_in(shorter, value_set=pa.array(known, pa.string())), shorter, labels)
