"""Judgement: what validate and test find out about a model, before anything of it is written.

CSV files, as `dvc plots` and spreadsheets read them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from headrace.contracts import Metrics


class Table(NamedTuple):
    """A CSV file to be."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]


# header alone: `dvc plots` shows nothing for it, and complains of a missing file
NO_CONFUSION = Table(("actual", "predicted"), ())
NO_CALIBRATION = Table(("confidence", "accuracy", "rows"), ())
NO_RESIDUALS = Table(("predicted", "error"), ())


@dataclass(frozen=True)
class EvaluationResult:
    """Figures, and the tables that they stand for."""

    metrics: Metrics
    plots: dict[str, Table]
    """Name of a file, without `.csv` -> what `dvc plots` shows."""
    reports: dict[str, Table] = field(default_factory=dict)
    """Name of a file, without `.csv` -> what people read."""
    predictions: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Column -> `[rows]`: what the model said of every row."""


def write_tables(folder: Path, tables: dict[str, Table]) -> None:
    """Writes each as `<name>.csv`; the caller's folder is atomic."""
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table.columns, table.rows)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a header and rows (UTF-8, Unix line ends); the caller's folder is atomic."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
