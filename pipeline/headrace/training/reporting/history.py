"""The figures of a training by epoch, as CSV: for `dvc plots`, and for rebuilding its run."""

from __future__ import annotations

import csv
from pathlib import Path

from headrace.contracts import Json

FIGURES = (
    "train_loss",
    "train_accuracy",
    "train_mae",
    "val_loss",
    "val_accuracy",
    "val_mae",
    "learning_rate",
    "samples_per_second",
)
"""Of every task, in the order of their columns."""
NAMES = ("epoch", "step", *FIGURES)


def write_history(path: Path, epochs: list[Json]) -> None:
    """One line an epoch, a column for each of NAMES that some epoch has; other keys are left out."""
    names = [name for name in NAMES if any(name in epoch for epoch in epochs)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(epochs)


def read_history(path: Path) -> list[Json]:
    """What `write_history` wrote; empty when there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: int(value) if name in {"epoch", "step"} else float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
