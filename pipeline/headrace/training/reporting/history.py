"""The metrics of each epoch as CSV, for `dvc plots` and for rebuilding the MLflow run."""

from __future__ import annotations

import csv
from pathlib import Path

from headrace.contracts import Json


def write_history(path: Path, epochs: list[Json]) -> None:
    """Writes one line per epoch, counted from 1 as on the terminal, with a column for every key that an epoch has."""
    names = dict.fromkeys(name for epoch in epochs for name in epoch)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(names))
        writer.writeheader()
        writer.writerows({**epoch, "epoch": epoch["epoch"] + 1} for epoch in epochs)


def read_history(path: Path) -> list[Json]:
    """Reads what `write_history` wrote, with epochs from 0 as in events; empty when there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        epochs = [
            {name: int(value) if name in {"epoch", "step"} else float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
    return [{**epoch, "epoch": epoch["epoch"] - 1} for epoch in epochs]
