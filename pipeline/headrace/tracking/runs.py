"""One run per training. Files are the source of truth: the run mirrors them, and is rebuilt from them if missing."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headrace.contracts import Json
from headrace.errors import Terminated, TrackingError
from headrace.paths import Paths
from headrace.storage.bundle import BundleCard, read_bundle
from headrace.tracking.client import connect, find_or_create_experiment, translate_mlflow_errors
from headrace.training.reporting.events import metrics_of
from headrace.training.reporting.history import read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)
TRAINING_ID, HOLDER, LOGGED = "headrace.training_id", "headrace.holder", "headrace.logged."
VALUE_CHARACTERS = 500
SECONDS_BETWEEN_STEPS = 2.0
"""Minimum between logged steps, since a training in this process waits for the server's answer."""


class LiveRun:
    """The run of an ongoing training. An outage of the server never stops the training."""

    def __init__(self, client: MlflowClient | None, run_id: str) -> None:
        """Without a client nothing is logged now; the run is rebuilt from files later."""
        self._client, self.run_id = client, run_id
        self._next_step_at = 0.0

    def observe(self, event: Json) -> None:
        """Logs the metrics of each epoch, and of a step at most every SECONDS_BETWEEN_STEPS."""
        is_step = event.get("kind") == "step"
        if self._client is None or (is_step and time.monotonic() < self._next_step_at):
            return
        if is_step:
            self._next_step_at = time.monotonic() + SECONDS_BETWEEN_STEPS
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        values = metrics_of(event).items()
        metrics = [Metric(f"fit/{name}", float(value), now, event["step"]) for name, value in values]
        try:
            self._client.log_batch(self.run_id, metrics=metrics)
        except Exception as error:  # noqa: BLE001 whatever the server does, the training continues
            logger.warning("MLflow does not respond (%s); the run is completed from files later", type(error).__name__)
            self._client = None


@contextmanager
def start_run(paths: Paths, card: BundleCard) -> Iterator[LiveRun]:
    """Starts a run and ends it as FINISHED, FAILED or KILLED; only warns if the server is not reachable."""
    try:
        client = connect(paths)
        with translate_mlflow_errors(paths):
            _close_orphans(client, paths)
            run_id = _create(client, paths, card)
    except TrackingError as error:
        logger.warning("%s; the training continues, and its run is rebuilt from files later", error)
        yield LiveRun(None, "")
        return
    status = "FAILED"
    try:
        yield LiveRun(client, run_id)
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit, Terminated):
        status = "KILLED"
        raise
    finally:
        _terminate(client, run_id, status)


def sync_run_from_files(paths: Paths, stages: Iterable[str]) -> str:
    """Logs the files of these stages to the run of the project's bundle, each once; returns the run's id.

    Raises TrackingError if the server is not reachable.
    """
    client, card = connect(paths), read_bundle(paths.trained_dir).card
    with translate_mlflow_errors(paths):
        run_id = find_run(client, paths, card.training_id) or _rebuild(client, paths, card)
        tags = client.get_run(run_id).data.tags
        for stage in stages:
            _log_stage(client, run_id, paths, stage, tags)
    return run_id


def find_run(client: MlflowClient, paths: Paths, training_id: str) -> str | None:
    """Returns the newest run of a training, or None if the server has none."""
    runs = client.search_runs(
        [find_or_create_experiment(client, paths)],
        f"tags.`{TRAINING_ID}` = '{training_id}'",
        order_by=["start_time DESC"],
        max_results=1,
    )
    return str(runs[0].info.run_id) if runs else None


def _create(client: MlflowClient, paths: Paths, card: BundleCard) -> str:
    from mlflow.entities import Param

    lineage = card.lineage
    tags = {
        TRAINING_ID: card.training_id,
        HOLDER: f"{socket.gethostname()}:{os.getpid()}",
        "headrace.project": str(paths.root),
        "mlflow.source.name": "headrace train",
        "headrace.code": lineage.get("code", ""),
        "mlflow.source.git.commit": lineage.get("git_commit", ""),
        "headrace.git_dirty": str(lineage.get("git_dirty", "")).lower(),
        **{f"headrace.data.{name}": value for name, value in lineage.get("data", {}).items()},
        "headrace.python": lineage.get("python", ""),
    }
    run = client.create_run(
        find_or_create_experiment(client, paths), tags=tags, run_name=f"{card.model['name']}-{card.training_id[:8]}"
    )
    run_id = str(run.info.run_id)
    params = [Param(name, str(value)[:VALUE_CHARACTERS]) for name, value in _flat(card.settings)]
    client.log_batch(run_id, params=params)
    client.log_dict(run_id, lineage, "lineage.json")
    client.log_dict(run_id, card.settings, "settings.json")
    if paths.params_path.is_file():
        client.log_artifact(run_id, str(paths.params_path))
    return run_id


def _rebuild(client: MlflowClient, paths: Paths, card: BundleCard) -> str:
    """Creates the run of a training that this server does not have, with its per-epoch history."""
    run_id = _create(client, paths, card)
    run = LiveRun(client, run_id)
    for epoch in read_history(paths.plots_dir("train") / "history.csv"):
        run.observe(epoch)
    _terminate(client, run_id, "FINISHED")
    return run_id


def _log_stage(client: MlflowClient, run_id: str, paths: Paths, stage: str, tags: dict[str, str]) -> None:
    """Logs the metrics and reports of one stage, unless the run has them already."""
    from mlflow.entities import Metric

    path = paths.metrics_path(stage)
    if not path.is_file():
        return
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    if tags.get(LOGGED + stage) == digest:
        return
    now = int(time.time() * 1000)
    metrics = json.loads(path.read_bytes())
    client.log_batch(
        run_id, metrics=[Metric(f"{stage}/{name}", float(value), now, 0) for name, value in metrics.items()]
    )
    for kind, folder in (("plots", paths.plots_dir(stage)), ("reports", paths.report_dir(stage))):
        if folder.is_dir():
            client.log_artifacts(run_id, str(folder), f"{kind}/{stage}")
    page_path = paths.report_dir(stage).with_suffix(".html")
    if page_path.is_file():
        client.log_artifact(run_id, str(page_path), "reports")
    client.log_artifact(run_id, str(path), "metrics")
    client.set_tag(run_id, LOGGED + stage, digest)


def log_trials(paths: Paths, run_id: str, trials: list[Json]) -> None:
    """Adds a search's trials as children of a training's run."""
    from mlflow.entities import Metric, Param

    client = connect(paths)
    with translate_mlflow_errors(paths):
        experiment, now = find_or_create_experiment(client, paths), int(time.time() * 1000)
        for index, trial in enumerate(trials):
            child = client.create_run(experiment, tags={"mlflow.parentRunId": run_id}, run_name=f"trial-{index:03d}")
            params = [Param(name, str(value)[:VALUE_CHARACTERS]) for name, value in _flat(trial["settings"])]
            metrics = [Metric(f"val/{name}", float(value), now, 0) for name, value in trial["metrics"].items()]
            client.log_batch(child.info.run_id, params=params, metrics=metrics)
            client.set_terminated(child.info.run_id, trial["status"])


def _close_orphans(client: MlflowClient, paths: Paths) -> None:
    """Ends runs that a process of this machine left RUNNING when it was killed."""
    import psutil

    host = socket.gethostname()
    running = client.search_runs([find_or_create_experiment(client, paths)], "attributes.status = 'RUNNING'")
    for run in running:
        holder, _, pid = run.data.tags.get(HOLDER, "").rpartition(":")
        if holder == host and pid.isdigit() and not psutil.pid_exists(int(pid)):
            client.set_terminated(run.info.run_id, "KILLED")


def _terminate(client: MlflowClient, run_id: str, status: str) -> None:
    try:
        client.set_terminated(run_id, status)
    except Exception as error:  # noqa: BLE001 the next training on this machine closes it
        logger.warning("MLflow does not respond (%s); the run is closed later", type(error).__name__)


def _flat(values: Json, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
