"""What a registered version, or a run, records of its origin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headrace.comparison.recorded_model import read_record
from headrace.comparison.references import find_model
from headrace.config import read_params
from headrace.contracts import Json
from headrace.evaluation.gates.verdicts import GATES
from headrace.paths import Paths
from headrace.tasks.metrics import select_summary
from headrace.tracking.registry import DEFAULT_NAME
from headrace.tracking.served.result_files import ResultFiles
from headrace.tracking.served.result_index import StoredResult, open_index
from headrace.tracking.uri import check_tracking_uri

UNKNOWN = "not recorded"
COUNTS = {"ingested": ("ingest", "rows"), "accepted": ("clean", "rows_out")} | {
    split: ("split", split) for split in ("train", "val", "test")
}
"""Rows -> the stage and its metric."""
GATE_STAGES = ("validate", "quantize")


@dataclass(frozen=True)
class Origin:
    """The origin of a model; what was not recorded is empty."""

    stored: StoredResult
    record: Json
    """`settings`, `code` and `metrics` by stage, `lineage`, and `weights`: the SHA-256 of their file."""
    gates: dict[str, Json]
    """Stage -> the content of `gates.json`."""

    @property
    def lineage(self) -> Json:
        """Hashes of code and data, the commit, and the environment."""
        lineage: Json = self.record.get("lineage") or {}
        return lineage

    @property
    def train_settings(self) -> Json:
        """Every setting of `train`, with `auto` resolved."""
        settings: Json = (self.record.get("settings") or {}).get("train") or {}
        return settings

    def to_json(self) -> Json:
        """Returns everything, for programs."""
        lineage, metrics = self.lineage, self.record.get("metrics") or {}
        return {
            "name": self.stored.name,
            "version": self.stored.number,
            "aliases": list(self.stored.aliases),
            "run": {"id": self.stored.run_id, "name": self.stored.run_name},
            "data": lineage.get("data") or {},
            "rows": {
                name: metrics[stage][key] for name, (stage, key) in COUNTS.items() if key in metrics.get(stage, {})
            },
            "code": {"train": lineage.get("code", ""), "modules": lineage.get("model_code") or {}},
            "code_by_stage": self.record.get("code") or {},
            "commit": lineage.get("git_commit", ""),
            "is_dirty": lineage.get("git_dirty"),
            "seed": self.train_settings.get("seed"),
            "environment": {name: lineage[name] for name in ("python", "platform", "packages") if name in lineage},
            "weights": self.record.get("weights", ""),
            "settings": self.record.get("settings") or {},
            "metrics": metrics,
            "gates": self.gates,
        }


def read_origin(paths: Paths, reference: str, scratch: Path) -> Origin:
    """Reads the origin of the version or run that a reference names, downloading files below `scratch` if need be.

    Raises ConfigError if there is none, TrackingError if the registry cannot be read.
    """
    name = str((read_params(paths.params_path).get("register") or {}).get("name", DEFAULT_NAME))
    check_tracking_uri(paths)
    stored, files = find_model(open_index(paths), reference, name), ResultFiles(paths, scratch)
    gates = {}
    for stage in GATE_STAGES:
        path = files.find(stored.run_uri, f"reports/{stage}/{GATES}")
        if path is not None:
            gates[stage] = json.loads(path.read_bytes())
    return Origin(stored, read_record(files, stored), gates)


def show_lineage(paths: Paths, reference: str, *, as_json: bool) -> str:
    """Returns the origin of a model as text, or as JSON; raises what `read_origin` raises."""
    with TemporaryDirectory(prefix="headrace-") as scratch:
        origin = read_origin(paths, reference, Path(scratch))
    return json.dumps(origin.to_json(), indent=2, default=str) if as_json else describe_origin(origin)


def describe_origin(origin: Origin) -> str:
    """Returns lines of a name and a value."""
    lines = list(_describe(origin))
    width = max(len(name) for name, _ in lines)
    return "\n".join([origin.stored.title, *(f"{name:{width}}  {text}".rstrip() for name, text in lines)])


def _describe(origin: Origin) -> Iterator[tuple[str, str]]:
    values = origin.to_json()
    yield from ((f"data/{name}", digest or UNKNOWN) for name, digest in values["data"].items())
    yield "rows", ", ".join(f"{count:,} {name}" for name, count in values["rows"].items()) or UNKNOWN
    yield "code", values["code"]["train"] or UNKNOWN
    yield from ((f"code of {name}", digest) for name, digest in values["code"]["modules"].items())
    state = {True: "with uncommitted changes", False: "without uncommitted changes"}.get(values["is_dirty"], "")
    yield "commit", f"{values['commit']} {state}" if values["commit"] else UNKNOWN
    yield "run", f"{values['run']['name']} {values['run']['id']}" if values["run"]["id"] else UNKNOWN
    yield "weights", f"sha256 {values['weights']}" if values["weights"] else UNKNOWN
    yield "seed", UNKNOWN if values["seed"] is None else str(values["seed"])
    environment = values["environment"]
    packages = (f"{name} {number}" for name, number in (environment.get("packages") or {}).items())
    machine = [f"Python {environment['python']}", environment.get("platform", "")] if environment else []
    yield "environment", ", ".join([*machine, *packages]) or UNKNOWN
    for stage, metrics in values["metrics"].items():
        yield from ((name, f"{value:.6g}") for name, value in select_summary(stage, metrics).items())
    for stage, gate in origin.gates.items():
        yield from ((rule["rule"], f"{rule['verdict']} ({stage})") for rule in gate.get("rules", []))
    yield from _flatten(values["settings"])


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, json.dumps(value, default=str)
