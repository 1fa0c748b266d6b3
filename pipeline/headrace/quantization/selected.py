"""The selected graph: the one that is tested, explained, registered and served, with its own calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from headrace.contracts import Json, Metrics
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.storage.bundle import GRAPH

CHOICE, CALIBRATION, SENSITIVITY = "choice.json", "calibration.json", "sensitivity.json"
OUTCOMES = "outcomes.parquet"
"""In `reports/quantize`: the outcomes of the selected graph on the validation rows."""


class SelectedGraph(NamedTuple):
    """What `quantize` selected."""

    path: Path
    precision: str
    """int8 or float32."""
    choice: Json
    """Why: the content of `choice.json`."""
    calibration: Metrics
    """Metrics of this graph on the validation rows, with temperature, threshold or interval."""

    def read_calibration(self, name: str) -> float:
        """Returns a number of the calibration; raises DataError if there is none of this name."""
        value = self.calibration.get(name)
        if not isinstance(value, int | float):
            path = self.path.with_name(CALIBRATION)
            raise DataError(f"{path}: no number {name!r}; run: dvc repro --force quantize")
        return float(value)


def read_selected_graph(paths: Paths) -> SelectedGraph:
    """Reads what `quantize` wrote; raises DataError if it is missing or damaged."""
    folder, contents = paths.quantized_dir, []
    for name in (CHOICE, CALIBRATION):
        try:
            content = json.loads((folder / name).read_bytes())
        except FileNotFoundError:
            raise DataError(f"{folder / name}: no such file; run the stages before this one: dvc repro") from None
        except ValueError as error:
            raise DataError(f"{folder / name}: not JSON ({error}); run: dvc repro --force quantize") from None
        if not isinstance(content, dict):
            raise DataError(f"{folder / name}: got {content!r}; run: dvc repro --force quantize")
        contents.append(content)
    choice, calibration = contents
    return SelectedGraph(folder / GRAPH, str(choice.get("precision", "float32")), choice, calibration)
