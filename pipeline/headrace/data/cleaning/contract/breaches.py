"""Finds the rows that break a contract's rules of the target, of measures, and of cells that must not repeat.

Rules of single cells are checked where cells have types: data/table/cleaning/contract_cells.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.contracts import Finding, Json
from headrace.data.cleaning.contract.rules import list_rules, read_column
from headrace.paths import CONTRACT
from headrace.storage.label_codec import decode_names

MAX_SHOWN = 40
"""Characters of a value in a reason."""


def find_label_breaches(labels: Sequence[str | None], codes: NDArray[np.int32], options: Json) -> Iterator[Finding]:
    """Yields the rows whose label breaks a rule; `codes` are `[rows]` indices into the distinct `labels`."""
    for check, rule in list_rules(options, "target"):
        reasons = [_judge_label(label, rule) for label in labels]
        is_broken = np.array([bool(reason) for reason in reasons], np.bool_)
        for row in np.flatnonzero(is_broken[codes]).tolist():
            yield Finding(row, check, f"{reasons[codes[row]]} ({CONTRACT}: {rule['key']})")


def find_measure_breaches(measures: Mapping[str, NDArray[np.float32]], options: Json) -> Iterator[Finding]:
    """Yields the rows of images or texts with a measure out of range."""
    for check, rule in list_rules(options, "measure"):
        values, name = measures[rule["column"]], rule["column"]
        for row in np.flatnonzero((values < rule["low"]) | (values > rule["high"])).tolist():
            text = f"{name} {values[row]:g} is outside {rule['low']:g} to {rule['high']:g}"
            yield Finding(row, check, f"{text} ({CONTRACT}: {rule['key']})")


def find_repeats(raw_dir: Path, options: Json) -> Iterator[Finding]:
    """Yields the rows that repeat a cell of a column whose cells must be unique, compared as text.

    Holds one column in memory.
    """
    for check, rule in list_rules(options, "repeat"):
        cells = pc.utf8_trim_whitespace(read_column(raw_dir, rule["column"]).combine_chunks())
        missing = pa.array([*rule["missing"], None], pa.string())
        rows = np.flatnonzero(~pc.is_in(cells, value_set=missing).to_numpy(zero_copy_only=False))
        codes = cells.dictionary_encode().indices.fill_null(-1).to_numpy()[rows]
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        for position in np.flatnonzero(first[inverse] != np.arange(len(rows))).tolist():
            row, original = int(rows[position]), int(rows[first[inverse[position]]])
            text = f"{rule['name']}: {cells[row].as_py()[:MAX_SHOWN]!r} occurs again ({CONTRACT}: {rule['key']})"
            yield Finding(row, check, text, repeats=original)


def _judge_label(label: str | None, rule: Json) -> str:
    """Why a label breaks a rule; empty if it does not, or if another check reports it."""
    if not label:
        return ""
    if rule["test"] == "range":
        try:
            is_inside = rule["low"] <= float(label) <= rule["high"]
        except ValueError:
            return ""
        return "" if is_inside else f"target {label[:MAX_SHOWN]!r} is outside {rule['low']:g} to {rule['high']:g}"
    names = decode_names(label) if rule["is_multilabel"] else [label]
    other = next((name for name in names if name not in rule["allowed"]), None)
    return "" if other is None else f"target {other[:MAX_SHOWN]!r} is not allowed"
