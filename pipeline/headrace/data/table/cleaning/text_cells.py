"""Checks and repair of the text columns of a table, as of a data set of texts: control characters and markup."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from headrace.contracts import Finding, Json
from headrace.data.table.cleaning.cells import TypedColumn
from headrace.data.text.repair import RepairedText, repair_text


def check_texts(name: str, cells: TypedColumn, options: Json) -> Iterator[Finding]:
    """Yields what is wrong with each text of the column `name`; `options`: by name of the checks that are not off."""
    for row, repaired in enumerate(_repair(cells, options)):
        if repaired is not None:
            for check, reason in repaired.describe():
                yield Finding(row, check, f"{name}: {reason}")


def repair_texts(cells: TypedColumn, options: Json) -> tuple[pa.Array, list[int]]:
    """Returns the repaired column, and the rows whose texts lost something; one that is then empty is missing.

    `options`: by name of the checks whose severity is `repair`.
    """
    repaired = _repair(cells, options)
    changed = [row for row, text in enumerate(repaired) if text is not None and text.is_changed]
    return pa.array([text.text or None if text is not None else None for text in repaired], pa.string()), changed


def _repair(cells: TypedColumn, options: Json) -> list[RepairedText | None]:
    """The repaired texts; None where a cell is missing."""
    controls, markup = "control_characters" in options, "markup" in options
    return [
        None if text is None else repair_text(text, controls=controls, markup=markup) for text in cells.text.to_pylist()
    ]
