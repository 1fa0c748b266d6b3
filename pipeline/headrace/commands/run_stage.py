"""Runs one stage: checks all settings, takes the lock, runs, writes the metrics and records them for MLflow."""

from __future__ import annotations

import json
import math
import time
from importlib import import_module
from types import ModuleType

from headrace.config import Section, load_sections
from headrace.contracts import Metrics
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.atomic import write_json
from headrace.storage.lock import exclusive_lock
from headrace.tracking.uri import check_tracking_uri

BEFORE_TRAINING = ("ingest", "clean", "split", "normalize", "tune", "train")
TRACKED = ("train", "validate", "test", "quantize", "explain", "register")
"""Stages whose metrics are recorded in MLflow as soon as they end."""


def run_stage(name: str, paths: Paths) -> Metrics:
    """Runs stage `name` of the project; returns its metrics, which it also writes to `metrics/<name>.json`.

    Raises HeadraceError for user errors.
    """
    module = import_stage(name)
    config = load_settings(paths)[name]
    if name in TRACKED:
        check_tracking_uri(paths)
    started = time.perf_counter()
    with exclusive_lock(paths.state_dir / "locks" / f"{name}.lock", f"stage {name}"):
        metrics: Metrics = module.run(config, paths)
        write_json(paths.metrics_path(name), {key: _to_json_number(name, key, value) for key, value in metrics.items()})
    if name in TRACKED:
        record(name, paths)
    print(f"{name:<10}{format_summary(metrics)}  ({time.perf_counter() - started:.1f} s)", flush=True)  # noqa: T201
    return metrics


def import_stage(name: str) -> ModuleType:
    """Returns the module of a stage, which has `Config` and `run`."""
    return import_module(f"headrace.stages.{name}")


def load_settings(paths: Paths) -> dict[str, Section]:
    """Loads and checks all sections of `params.yaml`, so that any mistake is reported before the first stage runs."""
    return load_sections(paths.params_path, {stage: import_stage(stage).Config for stage in STAGES})


def read_metrics(paths: Paths, stage: str) -> Metrics:
    """Reads the metrics of a stage, empty if it has not run; raises DataError if they are unreadable."""
    path = paths.metrics_path(stage)
    try:
        metrics: Metrics = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); run: dvc repro --force {stage}") from None
    return metrics


def format_summary(metrics: Metrics) -> str:
    """Returns the first metrics, in one line."""
    return ", ".join(f"{name} {_short(value)}" for name, value in list(metrics.items())[:6])


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _to_json_number(stage: str, key: str, value: float) -> float | int:
    """Converts NumPy scalars to Python numbers; raises DataError for NaN and infinity, which JSON does not have."""
    if not math.isfinite(value):
        raise DataError(f"metrics/{stage}.json: {key} is {value}; check this stage's input, then run it again")
    return int(value) if float(value).is_integer() and not isinstance(value, float) else float(value)


def record(stage: str, paths: Paths) -> None:
    """Records a stage's metrics and files for MLflow: those of the stages before it with the training's."""
    from headrace.tracking.recorder import record_stages

    record_stages(paths, BEFORE_TRAINING if stage in BEFORE_TRAINING else (stage,))
