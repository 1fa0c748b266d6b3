"""Recipes of the product as contestants: their left half run once, then train, validate and test."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from cut import NUM_TEST
from projects import LEFT_HALF, ROOT, metrics, steady_rate, time_stage, write_params
from rows import Size

from headrace.config import read_params

QUICK_VALIDATION_ROWS = 300


@dataclass(frozen=True)
class Run:
    """One training and what came of it."""

    fit_seconds: float
    rate: float
    """Rows a second."""
    accuracy: float
    wall_seconds: float


class Kitchen:
    """Projects by what the left half of the pipeline makes of a source: recipes that agree on it share one."""

    def __init__(self, scratch: Path, size: Size) -> None:
        self.scratch, self.size = scratch, size
        self._folders: dict[str, Path] = {}

    def cook(self, recipe: str, source: Path, seed: int, **train: object) -> Run:
        """Trains and tests a recipe on `source`; `train` replaces settings of that section."""
        sections = self._sections(recipe, source)
        folder = self._prepared(sections)
        sections["train"] |= {"seed": seed, **train}
        if self.size == "quick":
            sections["train"]["max_epochs"] = 2
        write_params(folder, sections)
        wall_seconds = time_stage(folder, "train").seconds
        for stage in ("validate", "test"):
            time_stage(folder, stage)
        accuracy = metrics(folder, "test")["accuracy"]
        return Run(metrics(folder, "train")["fit_seconds"], steady_rate(folder), accuracy, wall_seconds)

    def _sections(self, recipe: str, source: Path) -> dict:
        sections = read_params(ROOT / "recipes" / f"{recipe}.yaml")
        sections["ingest"]["source"] = str(source)
        sections["validate"] |= {"gate": {}}  # every run is told, none refused
        sections["test"] |= {"noise_sigmas": []}
        if self.size == "quick" and "counts" in sections["split"]:
            sections["split"]["counts"] = [None, QUICK_VALIDATION_ROWS, NUM_TEST]
        return sections

    def _prepared(self, sections: dict) -> Path:
        key = json.dumps([sections.get(stage) for stage in LEFT_HALF], sort_keys=True)
        if key not in self._folders:
            self._folders[key] = Path(mkdtemp(dir=self.scratch))
            write_params(self._folders[key], sections)
            for stage in LEFT_HALF:
                time_stage(self._folders[key], stage)
        return self._folders[key]
