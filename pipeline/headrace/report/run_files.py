"""The files of a run, read with tolerance: a report shows what is there, and of which run it is."""

from __future__ import annotations

import csv
import json
from functools import cached_property
from typing import Any

from headrace.contracts import Json, Metrics
from headrace.errors import DataError
from headrace.paths import OUTS, Paths

STAGES = tuple(OUTS)
OPTIONAL = "tune"
"""The stage that later ones can do without."""
DATA_STAGES = ("ingest", "clean", "split", "normalize")


class RunFiles:
    """Reads the results of the stages; those of an earlier run, and files that are missing, are empty."""

    def __init__(self, paths: Paths, registered: Json | None = None) -> None:
        """`registered` is the content of `registered.json`, for a stage that has not written it yet."""
        self.paths = paths
        self._registered = registered

    @cached_property
    def first_missing(self) -> str:
        """The first stage without results, so that whatever the later ones wrote belongs to an earlier run."""
        stages = [stage for stage in STAGES if stage != OPTIONAL]
        if self._registered is not None:
            return ""
        changed = _find_changed(self.paths)
        return next((stage for stage in stages if stage == changed or not self._has_results(stage)), "")

    def is_current(self, stage: str) -> bool:
        """Whether the results of a stage belong to this run."""
        return not self.first_missing or STAGES.index(stage) < STAGES.index(self.first_missing)

    def metrics(self, stage: str) -> Metrics:
        """The metrics of a stage; raises DataError if they are not JSON."""
        return self.read_json(stage, f"metrics/{stage}.json") or {}

    @cached_property
    def card(self) -> Json:
        """The description of the trained bundle."""
        return self.read_json("train", "models/trained/bundle.json") or {}

    @cached_property
    def spec(self) -> Json:
        """The newest description of the data."""
        if self.card:
            return dict(self.card["spec"])
        folders = {"normalize": "normalized", "clean": "clean", "ingest": "raw"}
        specs = (self.read_json(stage, f"data/{folder}/spec.json") for stage, folder in folders.items())
        return next((spec for spec in specs if spec), {})

    @cached_property
    def registered(self) -> Json:
        """The registered version; empty if this model is not registered."""
        if self._registered is not None:
            return self._registered
        return self.read_json("register", "registered.json") or {}

    def read_json(self, stage: str, name: str) -> Any:
        """Reads a file that `stage` writes; None if it is missing or of an earlier run."""
        path = self.paths.root / name
        # DVC removes the outs of a stage before it runs: a failed one leaves only what it wrote then, such as its gates
        has_failed = stage == self.first_missing and not self.paths.metrics_path(stage).is_file()
        if not path.is_file() or not (self.is_current(stage) or has_failed):
            return None
        try:
            return json.loads(path.read_bytes())
        except ValueError as error:
            raise DataError(f"{path}: not JSON ({error}); run: dvc repro --force {stage}") from None

    def read_csv(self, stage: str, name: str) -> list[dict[str, str]]:
        """Reads a table that `stage` writes; empty if it is missing."""
        path = self.paths.root / name
        if not path.is_file() or not self.is_current(stage):
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def explain_absence(self, stage: str, what: str) -> str:
        """Returns a sentence on why there is nothing to show."""
        if self.is_current(stage):
            return f"Stage {stage} has not written {what}."
        if self._has_results(stage):
            return f"Stage {stage} has not run since stage {self.first_missing}; `dvc repro` writes {what}."
        return f"Stage {stage}, which writes {what}, has not run to its end."

    def _has_results(self, stage: str) -> bool:
        outs_exist = stage in DATA_STAGES and all((self.paths.root / out).exists() for out in OUTS[stage])
        return outs_exist or self.paths.metrics_path(stage).is_file()


def _find_changed(paths: Paths) -> str:
    """Returns the first stage whose inputs, as DVC recorded them, are not what the stages before it last wrote."""
    from ruamel.yaml import YAML

    lock_path = paths.root / "dvc.lock"
    lock = (YAML(typ="safe", pure=True).load(lock_path) if lock_path.is_file() else None) or {}
    stages = lock.get("stages") or {}
    written = {out["path"]: out.get("md5") for stage in stages.values() for out in stage.get("outs", [])}
    for name in STAGES:
        for dep in (stages.get(name) or {}).get("deps", []):
            if written.get(dep["path"], dep.get("md5")) != dep.get("md5"):
                return name
    return ""
