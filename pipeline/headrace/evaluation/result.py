"""The result of an evaluation, and its CSV files as `dvc plots` and spreadsheets read them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Metrics

MAX_RESIDUALS = 2000
"""A browser plots no more points well."""
ReadMetric: TypeAlias = Callable[[str], float]
"""Name -> a value of the model's calibration on validation rows."""


class Table(NamedTuple):
    """Content of a CSV file."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]


# `dvc plots` complains about a missing file, and shows nothing for a header alone
NO_CONFUSION = Table(("actual", "predicted"), ())
NO_CALIBRATION = Table(("confidence", "accuracy", "rows"), ())
NO_RESIDUALS = Table(("predicted", "error"), ())


@dataclass(frozen=True)
class EvaluationResult:
    """Metrics, and the tables behind them."""

    metrics: Metrics
    plots: dict[str, Table]
    """File name without `.csv` -> a table for `dvc plots`."""
    reports: dict[str, Table] = field(default_factory=dict)
    """File name without `.csv` -> a table for people."""
    predictions: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Column -> `[rows]`: target, prediction and error of every row; `probabilities` `[rows, classes]`, calibrated."""

    @property
    def metric(self) -> str:
        """Name of the metric that `row_losses` stand for: accuracy, or rmse for values."""
        return "rmse" if "error" in self.predictions else "accuracy"

    @property
    def row_losses(self) -> NDArray[np.float64]:
        """`[rows]`: the share of a row's classes or labels that is wrong, or the square of its error."""
        if "error" in self.predictions:
            return np.asarray(np.square(self.predictions["error"]))
        if "correct" in self.predictions:
            return np.asarray(1.0 - self.predictions["correct"])
        return np.asarray(self.predictions["wrong_share"])


def residuals_table(values: NDArray[np.float64], errors: NDArray[np.float64]) -> Table:
    """Predicted value and error of at most MAX_RESIDUALS rows, evenly spaced."""
    step = max(1, -(-len(values) // MAX_RESIDUALS))
    return Table(NO_RESIDUALS.columns, list(zip(values[::step].tolist(), errors[::step].tolist(), strict=True)))


def write_tables(folder: Path, tables: dict[str, Table]) -> None:
    """Writes each table to `<name>.csv` (UTF-8, Unix line ends); the caller's folder is atomic."""
    for name, table in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.columns)
            writer.writerows(table.rows)
