"""Trains and tests the product's recipes; recipes with the same data settings share one prepared project."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from projects import DATA_STAGES, ROOT, read_metrics, read_train_rate, time_stage, write_params
from rows import Size
from small_datasets import NUM_TEST

from headrace.config import read_params

QUICK_VALIDATION_ROWS = 300


@dataclass(frozen=True)
class TrainingRun:
    """Speed and accuracy of one training."""

    fit_seconds: float
    rate: float
    """Rows per second."""
    accuracy: float
    is_full_length: bool
    """Whether it trained all epochs, so that its accuracy counts."""


class RecipeRunner:
    """Runs recipes in projects below `scratch`; the data stages run once for each source and data settings."""

    def __init__(self, scratch: Path, size: Size) -> None:
        self.scratch, self.size = scratch, size
        self._projects: dict[str, Path] = {}

    def run(self, recipe: str, source: Path, seed: int, **train: object) -> TrainingRun:
        """Trains and tests a recipe on `source`; `train` overrides settings of that section."""
        sections = self._read_sections(recipe, source)
        folder = self._prepare_project(sections)
        sections["train"] |= {"seed": seed, **train}
        if self.size == "quick":
            sections["train"]["max_epochs"] = 2
        write_params(folder, sections)
        for stage in ("train", "validate", "quantize", "test"):
            time_stage(folder, stage)
        return TrainingRun(
            fit_seconds=read_metrics(folder, "train")["fit_seconds"],
            rate=read_train_rate(folder),
            accuracy=read_metrics(folder, "test")["accuracy"],
            is_full_length="max_epochs" not in train,
        )

    def _read_sections(self, recipe: str, source: Path) -> dict:
        sections = read_params(ROOT / "recipes" / f"{recipe}.yaml")
        sections["ingest"]["source"] = str(source)
        sections["validate"] |= {"gate": {}}  # a poor run must not stop the benchmark
        sections["test"] |= {"noise_sigmas": [], "robustness_rows": 0}
        if self.size == "quick" and "counts" in sections["split"]:
            sections["split"]["counts"] = [None, QUICK_VALIDATION_ROWS, NUM_TEST]
        return sections

    def _prepare_project(self, sections: dict) -> Path:
        key = json.dumps([sections.get(stage) for stage in DATA_STAGES], sort_keys=True)
        if key not in self._projects:
            self._projects[key] = Path(mkdtemp(dir=self.scratch))
            write_params(self._projects[key], sections)
            for stage in DATA_STAGES:
                time_stage(self._projects[key], stage)
        return self._projects[key]
