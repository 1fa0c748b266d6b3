"""Rows that one model has right and the other wrong; for values, the rows whose error changed most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.comparison.aligned_rows import AlignedRows, Answers
from headrace.contracts import TaskName
from headrace.storage.label_codec import decode_names


class FlippedRow(NamedTuple):
    """One row, with both answers as text."""

    row_id: str
    source: str
    """Its place in the source; empty if that is not stored."""
    target: str
    first: str
    second: str
    gain: float
    """How much better the second model's answer is: 1 for right in place of wrong, a share of labels, or the absolute
    error that it saves, in the target's unit."""


class Flips(NamedTuple):
    """The rows that changed sides."""

    num_fixed: int
    """Rows that only the second model has right; for values, with a smaller error."""
    num_broken: int
    """Rows that only the first model has right; for values, with a larger error."""
    num_changed: int
    """Rows whose answers differ at all."""
    fixed: list[FlippedRow]
    """The largest gains first; among equals those of which the wrong answer was most confident."""
    broken: list[FlippedRow]


def find_flips(rows: AlignedRows, task: TaskName, limit: int) -> Flips:
    """Finds the rows, and describes at most `limit` of each kind."""
    gains, is_fixed, is_broken = _measure_gains(rows, task)
    return Flips(
        int(is_fixed.sum()),
        int(is_broken.sum()),
        _count_changed(rows),
        _describe(rows, _rank(gains, is_fixed, rows.first)[:limit], gains),
        _describe(rows, _rank(-gains, is_broken, rows.second)[:limit], gains),
    )


def _measure_gains(
    rows: AlignedRows, task: TaskName
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """`[rows]`: gain, whether the row is fixed, whether it is broken."""
    first, second = rows.first.outcomes, rows.second.outcomes
    if task == "regression":
        gains = np.abs(first) - np.abs(second)
        return gains, gains > 0, gains < 0
    if task == "multilabel":
        return first - second, (first > 0) & (second == 0), (first == 0) & (second > 0)
    return second - first, second > first, second < first


def _count_changed(rows: AlignedRows) -> int:
    names = [name for name in rows.first.table.column_names if name == "predicted" or name.startswith("predicted ")]
    names = [name for name in names if rows.second.has(name)]
    if not names:
        return int((rows.first.outcomes != rows.second.outcomes).sum())
    differs = [rows.first.read(name) != rows.second.read(name) for name in names]
    return int(np.any(differs, axis=0).sum())


def _rank(gains: NDArray[np.float64], flags: NDArray[np.bool_], wrong: Answers) -> NDArray[np.intp]:
    """Positions, the largest gains first; `wrong` are the answers of the model that is wrong there."""
    confidence = wrong.read("confidence") if wrong.has("confidence") else np.zeros(len(gains))
    order = np.lexsort((np.arange(len(gains)), -confidence, -gains))
    return order[flags[order]]


def _describe(rows: AlignedRows, positions: NDArray[np.intp], gains: NDArray[np.float64]) -> list[FlippedRow]:
    first, second = rows.first, rows.second
    return [
        FlippedRow(
            rows.row_ids[row].decode("ascii"),
            str(first.read("source")[row] or "") if first.has("source") else "",
            _format_answer(first, row, "target"),
            _format_answer(first, row, "predicted"),
            _format_answer(second, row, "predicted"),
            float(gains[row]),
        )
        for row in positions.tolist()
    ]


def _format_answer(answers: Answers, row: int, kind: str) -> str:
    """Formats a class, labels, a value, or values by target; empty if it is not stored."""
    if answers.targets:
        return ", ".join(f"{name} {float(answers.read(f'{kind} {name}')[row]):.4g}" for name in answers.targets)
    if not answers.has(kind):
        return ""
    value = answers.read(kind)[row]
    if not isinstance(value, str):
        return f"{float(value):.4g}"
    return value if answers.has("correct") else ", ".join(decode_names(value)) or "none"
