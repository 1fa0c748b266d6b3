"""What stages append to the outbox: a training with its metrics, and each stage's metrics, reports and plots."""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.config import read_params
from headrace.contracts import Json
from headrace.errors import Terminated, TrackingError
from headrace.paths import OUTS, Paths
from headrace.storage.atomic import write_json
from headrace.storage.bundle import BundleCard, read_bundle
from headrace.tracking import launch
from headrace.tracking.names import VALUE_CHARACTERS, find_long_values
from headrace.tracking.outbox import Outbox, open_outbox, read_json
from headrace.training.reporting.events import metrics_of
from headrace.training.reporting.history import read_history

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_STEPS = 2.0
"""Minimum between recorded steps."""
PAGES = (".html", ".md")
"""Ends of the names of reports that are single files."""
DATA_SECTIONS = ("ingest", "clean", "split", "normalize", "tune")
"""Sections of settings that a training depends on, in addition to its own."""
RUN_KEY = "tracking.json"
"""File in a training's work folder; it names the run that a resumed training continues."""


class TrainingRecorder:
    """Records the events of an ongoing training."""

    def __init__(self, outbox: Outbox, run_key: str) -> None:
        """`run_key` names the run of this training."""
        self._outbox, self.run_key = outbox, run_key
        self._next_step_at = 0.0
        self.history: list[Json] = []
        """All epochs, set by the caller once the training has ended; they fill what was not observed."""

    def observe(self, event: Json) -> None:
        """Records the metrics of each epoch, and of a step at most every SECONDS_BETWEEN_STEPS."""
        is_step = event.get("kind") == "step"
        if is_step and time.monotonic() < self._next_step_at:
            return
        if is_step:
            self._next_step_at = time.monotonic() + SECONDS_BETWEEN_STEPS
        values = {name: float(value) for name, value in metrics_of(event).items()}
        self._outbox.append({"kind": "metrics", "run_key": self.run_key, "step": event["step"], "values": values})


@contextmanager
def record_training(
    paths: Paths, card: BundleCard, work_dir: Path, trials: list[Json] | None = None
) -> Iterator[TrainingRecorder]:
    """Records a training from its start to its end as FINISHED, FAILED or KILLED; needs `keep_sender` around it.

    Raises TrackingError if MLflow refuses the experiment; only warns if the server is not reachable.
    """
    _check_answer(paths)
    outbox, run_key = open_outbox(paths), _load_run_key(work_dir)
    _report_long_values(card.settings)
    start = {
        "kind": "start",
        "run_key": run_key,
        "card": _describe(card),
        "settings": _read_settings(paths, DATA_SECTIONS),
        "process": launch.describe_process(os.getpid()),
    }
    outbox.append(start, {"params.yaml": paths.params_path} if paths.params_path.is_file() else {})
    if trials:
        outbox.append({"kind": "trials", "run_key": run_key, "trials": trials})
    recorder, status = TrainingRecorder(outbox, run_key), "FAILED"
    try:
        yield recorder
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit, Terminated):
        status = "KILLED"
        raise
    finally:
        history = recorder.history if status == "FINISHED" else []
        outbox.append({"kind": "end", "run_key": run_key, "status": status, "history": history})


def record_stages(paths: Paths, stages: Iterable[str]) -> None:
    """Records the metrics and files of stages, and has them sent. The run of their training is named by its bundle."""
    outbox, card = open_outbox(paths), _describe(read_bundle(paths.trained_dir).card)
    history = read_history(paths.plots_dir("train") / "history.csv")
    settings = _read_settings(paths, OUTS)
    for stage in stages:
        path = paths.metrics_path(stage)
        if path.is_file():
            event = {"kind": "stage", "stage": stage, "card": card, "metrics": json.loads(path.read_bytes())}
            event["settings"] = {stage: settings[stage]} if stage in settings else {}
            outbox.append(event | {"history": history}, _find_files(paths, stage))
    launch.start_sender(paths)


def _check_answer(paths: Paths) -> None:
    answer = launch.wait_for_answer(paths)
    if answer["state"] == "refused":
        raise TrackingError(answer["message"])
    if answer["state"] == "unreachable":
        logger.warning("%s; the training continues, and is recorded later", answer["message"])


def _load_run_key(work_dir: Path) -> str:
    key = read_json(work_dir / RUN_KEY).get("run_key")
    if key is None:
        key = uuid.uuid4().hex
        write_json(work_dir / RUN_KEY, {"run_key": key})
    return str(key)


def _describe(card: BundleCard) -> Json:
    """The parts of a bundle's card that a run shows, and the experiment of `dvc exp run`."""
    return {
        "training_id": card.training_id,
        "experiment": os.environ.get("DVC_EXP_NAME", ""),
        "source": str(card.spec.get("source", "")),
        "model": {"name": card.model["name"]},
        "settings": card.settings,
        "lineage": card.lineage,
    }


def _read_settings(paths: Paths, sections: Iterable[str]) -> dict[str, Json]:
    """The settings in `params.yaml` by section, without defaults, as JSON: dates become text."""
    params = read_params(paths.params_path) if paths.params_path.is_file() else {}
    given = {section: params[section] for section in sections if isinstance(params.get(section), dict)}
    settings: dict[str, Json] = json.loads(json.dumps(given, default=str))
    return settings


def _report_long_values(settings: Json) -> None:
    for name, length in find_long_values(settings).items():
        logger.warning(
            "MLflow: train.%s has %d characters, and MLflow shows %d; the run's settings.json is complete",
            name, length, VALUE_CHARACTERS,
        )  # fmt: skip


def _find_files(paths: Paths, stage: str) -> dict[str, Path]:
    """The metrics, plots and reports of a stage, by artifact path."""
    files = {f"metrics/{stage}.json": paths.metrics_path(stage)}
    files |= {out: paths.root / out for out in OUTS[stage] if out.endswith(PAGES) and (paths.root / out).is_file()}
    for kind, folder in (("plots", paths.plots_dir(stage)), ("reports", paths.report_dir(stage))):
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        files |= {f"{kind}/{stage}/{path.relative_to(folder).as_posix()}": path for path in found}
    return files
