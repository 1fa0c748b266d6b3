"""Applies events of the outbox to MLflow's runs, one run per training. Applying an event again changes nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headrace.contracts import Json
from headrace.paths import OUTS, Paths
from headrace.tracking.client import find_or_create_experiment
from headrace.tracking.names import encode_name, shorten
from headrace.tracking.outbox import Outbox
from headrace.tracking.run_view.fields import (
    AFTER_TRAINING,
    COUNTING_STAGES,
    TRAIN,
    TRAINING_ID,
    describe_counts,
    make_datasets,
    make_params,
    make_tags,
    name_metrics,
)
from headrace.tracking.run_view.run_name import describe_difference, make_run_name
from headrace.training.reporting.events import metrics_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_KEY, LOGGED, TRIAL, PROJECT = "headrace.run_key", "headrace.logged.", "headrace.trial", "headrace.project"
PARENT = "mlflow.parentRunId"


class Point(NamedTuple):
    """One value of a metric."""

    name: str
    value: float
    time: int
    """In milliseconds since 1970."""
    step: int


class RunWriter:
    """Writes events to the runs of one tracking server."""

    def __init__(self, client: MlflowClient, paths: Paths, outbox: Outbox) -> None:
        """Finds or creates the experiment; raises TrackingError if it was deleted."""
        self.client, self._paths, self._outbox = client, paths, outbox
        self.experiment_id = find_or_create_experiment(client, paths)
        self._run_ids: dict[str, str] = {}
        self._steps: dict[tuple[str, str], dict[int, int]] = {}
        """(run, metric) -> the steps that the server has, with their times."""

    def apply(self, events: list[Json]) -> None:
        """Applies one event, or several of metrics."""
        handlers = {"start": self.start, "trials": self.trials, "end": self.end, "stage": self.stage}
        if events[0]["kind"] == "metrics":
            self.metrics(events)
        else:
            handlers[events[0]["kind"]](events[0])

    def start(self, event: Json) -> None:
        """Creates the run of a training, or continues that of an interrupted one."""
        run_id = self._log_card(event["run_key"], event["card"], event)
        self.client.update_run(run_id, status="RUNNING")

    def metrics(self, events: Iterable[Json]) -> None:
        """Logs metrics of a training; a resumed training repeats steps, which are logged once."""
        by_run: dict[str, list[Point]] = {}
        for event in events:
            by_run.setdefault(event["run_key"], []).extend(
                Point(f"fit/{name}", value, event["time"], event["step"]) for name, value in event["values"].items()
            )
        for key, points in by_run.items():
            self._log_new(self._require_run(key), points)

    def trials(self, event: Json) -> None:
        """Adds a search's trials as children of a training's run."""
        run_id = self._require_run(event["run_key"])
        children = self._search(f"tags.`{PARENT}` = '{run_id}'", limit=1000)
        existing = {child.data.tags.get(TRIAL): child for child in children}
        for index, trial in enumerate(event["trials"]):
            self._log_trial(run_id, index, trial, existing.get(str(index)), event["time"])

    def end(self, event: Json) -> None:
        """Ends the run of a training. A finished one gets the epochs that never arrived as events."""
        run_id = self._require_run(event["run_key"])
        self._fill(run_id, event)
        self.client.set_terminated(run_id, event["status"], end_time=event["time"])

    def stage(self, event: Json) -> None:
        """Logs the metrics and files of a stage to the run of its training, unless the run has the same."""
        run_id = self.find_or_rebuild(event)
        stage, name = event["stage"], LOGGED + event["stage"]
        run = self.client.get_run(run_id)
        self._log_settings(run, event)
        logged = read_logged(run, stage)
        metrics, files = _digest(event["metrics"]), _digest(event["files"])
        time = logged["time"] if logged.get("metrics") == metrics else event["time"]
        if (logged.get("metrics"), logged.get("files")) == (metrics, files):
            return
        named = name_metrics(stage, event["metrics"])
        self._log(run_id, [Point(key, value, time, 0) for key, value in named.items()])
        if stage in COUNTING_STAGES:
            self.client.set_tag(run_id, stage, shorten(describe_counts(event["metrics"])))
        self._upload(run_id, event["files"])
        self.client.set_tag(run_id, name, json.dumps({"metrics": metrics, "files": files, "time": time}))

    def find_or_rebuild(self, event: Json) -> str:
        """Returns the finished run of a training; without one it is built from the card and the history of its files.

        There is none on another server, or if DVC restored the training from its cache.
        """
        training_id = event["card"]["training_id"]
        run_id = find_finished_run(self.client, self.experiment_id, training_id)
        if run_id is None:
            run_id = self._log_card(f"rebuilt-{training_id}", event["card"], event)
            self._fill(run_id, event)
            self.client.set_terminated(run_id, "FINISHED", end_time=event["time"])
        return run_id

    def find_run(self, run_key: str) -> str | None:
        """Returns the run of one training, which a resumed one continues."""
        if run_key not in self._run_ids:
            runs = self._search(f"tags.`{RUN_KEY}` = '{run_key}'")
            if not runs:
                return None
            self._run_ids[run_key] = str(runs[0].info.run_id)
        return self._run_ids[run_key]

    def _require_run(self, run_key: str) -> str:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

        run_id = self.find_run(run_key)
        if run_id is None:
            raise MlflowException(f"the run of training {run_key} was deleted", RESOURCE_DOES_NOT_EXIST)
        return run_id

    def _log_card(self, run_key: str, card: Json, event: Json) -> str:
        run_id = self.find_run(run_key)
        data_settings = {name: value for name, value in event.get("settings", {}).items() if name not in AFTER_TRAINING}
        params = make_params({**data_settings, TRAIN: card["settings"]})
        if run_id is None:
            tags = make_tags(card) | {RUN_KEY: run_key, PROJECT: str(self._paths.root)}
            name = make_run_name(card, params, self._find_previous({TRAIN, *data_settings}))
            run = self.client.create_run(self.experiment_id, start_time=event["time"], tags=tags, run_name=name)
            run_id = self._run_ids[run_key] = str(run.info.run_id)
        self._add_params(run_id, params)
        if datasets := make_datasets(card):
            self.client.log_inputs(run_id, datasets)
        self.client.log_dict(run_id, card["lineage"], "lineage.json")
        self.client.log_dict(run_id, card["settings"], "settings.json")
        if "params.yaml" in event["files"]:
            self._upload(run_id, {"params.yaml": event["files"]["params.yaml"]})
        return run_id

    def _find_previous(self, sections: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Returns the parameters of sections, and the tags, of the project's newest finished run; empty without one."""
        root = str(self._paths.root)
        quote = '"' if "'" in root else "'"
        runs = self._search(f"tags.`{PROJECT}` = {quote}{root}{quote} and attributes.status = 'FINISHED'")
        if not runs:
            return {}, {}
        others = tuple(f"{stage}." for stage in OUTS if stage not in sections)
        params = {name: value for name, value in runs[0].data.params.items() if not name.startswith(others)}
        return params, dict(runs[0].data.tags)

    def _log_settings(self, run: Run, event: Json) -> None:
        """Logs the settings of a stage; where it ran before with others, a tag has those of the last time."""
        stage = event["stage"]
        params = {} if stage == TRAIN else make_params(event.get("settings", {}))
        first = self._add_params(run.info.run_id, params)
        changes = describe_difference(first, {name: params[name] for name in first})
        if changes or f"changed.{stage}" in run.data.tags:
            self.client.set_tag(run.info.run_id, f"changed.{stage}", changes)

    def _add_params(self, run_id: str, params: Mapping[str, str]) -> dict[str, str]:
        """Logs the parameters that a run lacks, since MLflow cannot change one; returns its values of the others."""
        from mlflow.entities import Param

        logged = self.client.get_run(run_id).data.params
        new = [Param(name, value) for name, value in params.items() if name not in logged]
        if new:
            self.client.log_batch(run_id, params=new)
        return {name: logged[name] for name in params if name in logged}

    def _log_trial(self, parent_id: str, index: int, trial: Json, child: Run | None, time: int) -> None:
        if child is None:
            tags = {PARENT: parent_id, TRIAL: str(index)}
            child = self.client.create_run(
                self.experiment_id, start_time=time, tags=tags, run_name=f"trial-{index:03d}"
            )
        elif child.info.status != "RUNNING":
            return
        self._add_params(child.info.run_id, make_params({TRAIN: trial["settings"]}))
        self._log(child.info.run_id, [Point(f"val/{key}", value, time, 0) for key, value in trial["metrics"].items()])
        self.client.set_terminated(child.info.run_id, trial["status"], end_time=time)

    def _fill(self, run_id: str, event: Json) -> None:
        """Logs the epochs of an event's history that the run lacks, at the time of the epoch before them.

        MLflow orders a metric by time, then by step.
        """
        points, times = [], dict[str, int]()
        for epoch in sorted(event["history"], key=lambda epoch: int(epoch["step"])):
            for key, value in metrics_of(epoch).items():
                name, step = f"fit/{key}", epoch["step"]
                known = self._find_steps(run_id, name)
                times[name] = known.get(step) or times.get(name) or min(known.values(), default=event["time"])
                points.append(Point(name, value, times[name], step))
        self._log_new(run_id, points)

    def _log_new(self, run_id: str, points: Iterable[Point]) -> None:
        """Logs the points whose steps the run lacks."""
        new = []
        for point in points:
            steps = self._find_steps(run_id, point.name)
            if point.step not in steps:
                steps[point.step] = point.time
                new.append(point)
        try:
            self._log(run_id, new)
        except BaseException:
            self._steps.clear()  # ask again
            raise

    def _find_steps(self, run_id: str, name: str) -> dict[int, int]:
        key = (run_id, name)
        if key not in self._steps:
            history = self.client.get_metric_history(run_id, encode_name(name))
            self._steps[key] = {metric.step: metric.timestamp for metric in history}
        return self._steps[key]

    def _log(self, run_id: str, points: list[Point]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(encode_name(point.name), float(point.value), point.time, point.step) for point in points]
        self.client.log_batch(run_id, metrics=metrics)

    def _upload(self, run_id: str, files: dict[str, str]) -> None:
        """Uploads copies of the outbox under their artifact paths."""
        with tempfile.TemporaryDirectory(dir=self._outbox.folder) as scratch:
            for name, digest in files.items():
                path = Path(scratch, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._outbox.file_path(digest), path)
            if files:
                self.client.log_artifacts(run_id, scratch)

    def _search(self, query: str, limit: int = 1) -> list[Run]:
        found = self.client.search_runs([self.experiment_id], query, order_by=["start_time DESC"], max_results=limit)
        return list(found)


def find_finished_run(client: MlflowClient, experiment_id: str, training_id: str) -> str | None:
    """Returns the newest finished run of a training, or None if the server has none."""
    query = f"tags.`{TRAINING_ID}` = '{training_id}' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment_id], query, order_by=["start_time DESC"], max_results=1)
    return str(runs[0].info.run_id) if runs else None


def read_logged(run: Run, stage: str) -> Json:
    """Returns the digests of a stage's `metrics` and `files` that a run has, and the `time` of the metrics."""
    try:
        logged: Json = json.loads(run.data.tags.get(LOGGED + stage, "{}"))
    except ValueError:  # an earlier version's digest
        return {}
    return logged if isinstance(logged, dict) else {}


def _digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
