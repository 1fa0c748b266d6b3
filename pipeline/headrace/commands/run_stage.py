"""Runs one stage: checks all settings, takes the lock, runs, writes the metrics and records them for MLflow."""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from importlib import import_module
from types import ModuleType

from headrace import __version__
from headrace.contracts import Metrics
from headrace.errors import DataError
from headrace.fingerprint.model_code import update_model_code
from headrace.fingerprint.stage_code import is_current
from headrace.paths import Paths
from headrace.settings.load import check_data_kind, load_settings
from headrace.stages import STAGES
from headrace.storage.atomic import write_json
from headrace.storage.checksums import verify_inputs
from headrace.storage.lock import exclusive_lock
from headrace.tasks.metrics import select_summary
from headrace.tracking.database import relocate_artifacts
from headrace.tracking.uri import check_tracking_uri

logger = logging.getLogger(__name__)
BEFORE_TRAINING = ("ingest", "clean", "split", "normalize", "tune", "train")
TRACKED = ("train", "validate", "quantize", "test", "explain", "register")
"""Stages whose metrics are recorded in MLflow as soon as they end."""
BUILDS_MODELS = ("tune", "train")
"""Stages that depend on `model_code/fingerprint.json`."""


def run_stage(name: str, paths: Paths) -> Metrics:
    """Runs stage `name` of the project; returns its metrics, which it also writes to `metrics/<name>.json`.

    Raises HeadraceError for user errors.
    """
    settings = load_settings(paths, name)
    module, config = import_stage(name), settings[name]
    check_code(name, paths)
    check_tracking_uri(paths)
    relocate_artifacts(paths)
    started = time.perf_counter()
    with exclusive_lock(paths.state_dir / "locks" / f"{name}.lock", f"stage {name}"):
        verify_inputs(name, paths, tuple(STAGES))
        if name == "ingest":  # the first to know the kind of the data, before it reads any row
            metrics: Metrics = module.run(config, paths, partial(check_data_kind, settings))
        else:
            metrics = module.run(config, paths)
        numbers = {key: _to_json_number(name, key, value) for key, value in metrics.items()}
        if summary := select_summary(name, numbers):
            write_json(paths.summary_path(name), summary)
        write_json(paths.metrics_path(name), numbers)
    if name in TRACKED:
        record(name, paths)
    print(f"{name:<10}{format_summary(metrics)}  ({time.perf_counter() - started:.1f} s)", flush=True)  # noqa: T201
    return metrics


def check_code(name: str, paths: Paths) -> None:
    """Warns if `code.json` is not that of the code that runs now; updates the fingerprint of the user's models.

    DVC hashes the deps of a stage after its run, so the stage itself may still write this one.
    """
    if not is_current(name, paths):
        logger.warning(
            "code.json: not that of the installed code of %s (headrace %s), so DVC does not know when to run it again; "
            "run: headrace upgrade",
            name,
            __version__,
        )
    if name in BUILDS_MODELS and paths.params_path.is_file():
        update_model_code(paths)


def import_stage(name: str) -> ModuleType:
    """Returns the module of a stage, which has `run`, and imports what it runs."""
    return import_module(f"headrace.stages.{name}")


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
