"""The registry: model versions with lineage, metrics and a served model, and the aliases challenger and champion."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from headrace.config import read_params
from headrace.contracts import Json, Metrics
from headrace.errors import TrackingError
from headrace.evaluation.gates.verdicts import Champion
from headrace.paths import Paths
from headrace.storage.bundle import Bundle
from headrace.tracking.client import NOT_FOUND, connect, find_or_create_experiment, translate_mlflow_errors
from headrace.tracking.names import encode_name, quote_text
from headrace.tracking.outbox import hash_file
from headrace.tracking.run_view.fields import name_metrics
from headrace.tracking.run_view.version_fields import collect_params, describe_changes
from headrace.tracking.runs import find_finished_run, read_logged
from headrace.tracking.served.outcomes import download_model_outcomes, download_run_outcomes

if TYPE_CHECKING:
    import pyarrow as pa
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

    from headrace.tracking.serving_package import Candidate

CHAMPION, CHALLENGER = "champion", "challenger"
DEFAULT_NAME = "headrace"
CONTENT, COMPARISON = "headrace.content", "headrace.comparison"
MODEL_FILE = "MLmodel"
VERSION_FILE = "registered_model_meta"
"""Name and number of a version, beside its model: MLflow writes this file where it loads a version by its name."""
VERSION_METRICS = {
    "classification": {"accuracy": ".4f", "accuracy_low": ".4f", "accuracy_high": ".4f"},
    "multilabel": {"micro_f1": ".4f", "accuracy": ".4f", "accuracy_low": ".4f", "accuracy_high": ".4f"},
    "regression": {"rmse": ".6g", "rmse_low": ".6g", "rmse_high": ".6g", "r2": ".4f"},
}
"""Task -> test metrics in the tags of a version, with their format."""
CHAMPION_BEFORE = "champion.before"
"""Tag of a champion: the number of the version that was it before."""


@dataclass(frozen=True)
class Version:
    """A version in the registry."""

    name: str
    number: int
    run_id: str
    """Empty if it was registered by other means."""
    model_id: str
    """Its logged model; empty if it was registered from a path."""
    source: str
    comparison: Metrics
    """How it compared with the champion when it was registered."""
    tags: Mapping[str, str]
    description: str = ""
    """Empty until its report was stored."""

    @property
    def title(self) -> str:
        """Its name and number."""
        return f"{self.name} version {self.number}"


def make_version_tags(bundle: Bundle, precision: str, tested: Json) -> dict[str, str]:
    """Returns the tags of a version: its origin, and some metrics of `test`."""
    lineage = bundle.card.lineage
    metrics = {f"test.{name}": f"{tested[name]:{form}}" for name, form in VERSION_METRICS[bundle.spec.task].items()}
    return {
        "training_id": bundle.card.training_id,
        "precision": precision,
        "code": lineage.get("code", ""),
        "git_commit": lineage.get("git_commit", ""),
        **{f"data.{name}": value for name, value in lineage.get("data", {}).items()},
        **metrics,
        **{f"privacy.{name}": str(value) for name, value in lineage.get("privacy", {}).items()},
    }


class Registry:
    """The registry of one project. Each step finds what an interrupted one left, and finishes it."""

    def __init__(self, paths: Paths) -> None:
        """Connects; raises TrackingError if the server is not reachable, or the experiment was deleted."""
        self._paths, self._client = paths, connect(paths)
        with translate_mlflow_errors(paths):
            self._experiment_id = find_or_create_experiment(self._client, paths)

    def find_run(self, training_id: str) -> str:
        """Returns the finished run of a training; raises TrackingError if there is none."""
        with translate_mlflow_errors(self._paths):
            run_id = find_finished_run(self._client, self._experiment_id, training_id)
        if run_id is None:
            raise TrackingError(f"MLflow: training {training_id} has no finished run; run: dvc repro --force train")
        return run_id

    def register(
        self, candidate: Candidate, model_dir: Path, metrics: Mapping[str, Metrics], served: Metrics
    ) -> Version:
        """Logs the served model with its metrics by stage, and registers it as a version; raises TrackingError.

        `model_dir`: what `save_model` wrote; `served`: metrics of serving it, which are logged with the others. The
        same content is registered once: a version or logged model that exists is completed and returned.
        """
        key, params = _hash_content(candidate, metrics), collect_params(self._paths, candidate.bundle.card.settings)
        with translate_mlflow_errors(self._paths):
            model = self._find_model(candidate, key) or self._client.create_logged_model(
                self._experiment_id,
                name=_make_model_name(candidate.name),
                source_run_id=candidate.run_id,
                tags={**candidate.tags, CONTENT: key},
                params=params,
            )
            if str(model.status) != "READY":
                self._client.log_model_artifacts(model.model_id, str(model_dir))
                self._log_metrics(model.model_id, candidate.run_id, {**metrics, "register": served})
                self._client.finalize_logged_model(model.model_id, "READY")
            version = self._find_version(candidate, model) or self._create_version(candidate, model, params)
            meta_path = model_dir.parent / VERSION_FILE
            meta_path.write_text(f"model_name: {version.name}\nmodel_version: '{version.version}'\n", encoding="utf-8")
            self._client.log_model_artifact(model.model_id, str(meta_path))
            return _describe(version)

    def set_alias(self, version: Version, alias: str) -> None:
        """Points an alias at a version."""
        with translate_mlflow_errors(self._paths):
            self._client.set_registered_model_alias(version.name, alias, str(version.number))

    def make_champion(self, version: Version, before: Version | None) -> None:
        """Points the alias `champion` at a version, which gets the number of the champion before it for a rollback."""
        if before and before.number != version.number:
            self.set_tags(version, {CHAMPION_BEFORE: str(before.number)})
        self.set_alias(version, CHAMPION)

    def set_tags(self, version: Version, tags: Mapping[str, str]) -> None:
        """Adds tags to a version."""
        with translate_mlflow_errors(self._paths):
            for name, value in tags.items():
                self._client.set_model_version_tag(version.name, str(version.number), encode_name(name), value)

    def find_champion(self, name: str) -> Version | None:
        """Returns the current champion, or None."""
        return self.find_version(name, CHAMPION)

    def find_version(self, name: str, which: str) -> Version | None:
        """Returns the version of a number or an alias, or None."""
        from mlflow.exceptions import MlflowException

        with translate_mlflow_errors(self._paths):
            try:
                if which.isdigit():
                    return _describe(self._client.get_model_version(name, which))
                return _describe(self._client.get_model_version_by_alias(name, which))
            except MlflowException as error:
                if error.error_code in NOT_FOUND:
                    return None
                raise

    def download_outcomes(self, version: Version, split: str) -> pa.Table | None:
        """Downloads a version's outcomes on the rows of a split; returns None if it has none, or they are gone."""
        with translate_mlflow_errors(self._paths):
            if version.model_id:
                outcomes = download_model_outcomes(self._client, version.model_id, version.source, split)
                if outcomes is not None:
                    return outcomes
            return download_run_outcomes(self._client, version.run_id) if split == "test" and version.run_id else None

    def attach_report(self, version: Version, description: str, report_paths: Iterable[Path]) -> None:
        """Describes a version in Markdown, and stores files with its model, in the folder `report`.

        The description comes last: a version that has one is complete.
        """
        with translate_mlflow_errors(self._paths), tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "report"
            folder.mkdir()
            for path in report_paths:
                shutil.copy(path, folder)
            self._client.log_model_artifacts(version.model_id, scratch)
            self._client.update_model_version(version.name, str(version.number), description)

    def has_files(self, version: Version) -> bool:
        """Whether a version still has its model: `mlflow gc` removes a deleted logged model, and the version stays."""
        if not version.model_id:
            return True  # registered from a path
        with translate_mlflow_errors(self._paths):
            return self._has_model_files(version.model_id)

    def find_local_files(self, version: Version) -> str:
        """Returns the folder of a version's model, relative to the project; empty if it lies elsewhere."""
        path = Path(unquote(urlsplit(version.source).path))
        is_here = urlsplit(version.source).scheme in {"", "file"} and path.is_relative_to(self._paths.tracking_root)
        return path.relative_to(self._paths.tracking_root).as_posix() if is_here else ""

    def _has_model_files(self, model_id: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            return MODEL_FILE in {item.path for item in self._client.list_logged_model_artifacts(model_id)}
        except MlflowException as error:
            if error.error_code in NOT_FOUND:
                return False
            raise

    def _find_model(self, candidate: Candidate, key: str) -> LoggedModel | None:
        models = self._client.search_logged_models([self._experiment_id], f"tags.`{CONTENT}` = '{key}'")
        mine = [model for model in models if model.source_run_id == candidate.run_id]
        complete = [model for model in mine if str(model.status) != "READY" or self._has_model_files(model.model_id)]
        return complete[0] if complete else None

    def _find_version(self, candidate: Candidate, model: LoggedModel) -> ModelVersion | None:
        """Returns the version of a logged model, if an interrupted registration created it."""
        versions = self._client.search_model_versions(f"name = {quote_text(candidate.name)}")
        return next((version for version in versions if version.source == model.artifact_location), None)

    def _create_version(self, candidate: Candidate, model: LoggedModel, params: Mapping[str, str]) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(candidate.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        versions = self._client.search_model_versions(f"name = {quote_text(candidate.name)}")
        newest = max(map(_describe, versions), key=lambda version: version.number, default=None)
        return self._client.create_model_version(
            candidate.name,
            source=model.artifact_location,
            run_id=candidate.run_id,
            tags={**candidate.tags, **describe_changes(self._client, newest.model_id if newest else "", params)},
            model_id=model.model_id,
        )

    def _log_metrics(self, model_id: str, run_id: str, metrics: Mapping[str, Metrics]) -> None:
        """Logs the metrics to the logged model.

        MLflow logs them to its run too. Under the time that the run has them at, nothing is added there.
        """
        from mlflow.entities import Metric

        run, now = self._client.get_run(run_id), int(time.time() * 1000)
        points = [
            Metric(encode_name(name), float(value), read_logged(run, stage).get("time", now), 0, model_id)
            for stage, values in metrics.items()
            for name, value in name_metrics(stage, values).items()
        ]
        self._client.log_batch(run_id, metrics=points)


def _describe(version: ModelVersion) -> Version:
    source, comparison = str(version.source), json.loads(version.tags.get(COMPARISON, "{}"))
    in_source = re.search(r"\bm-[0-9a-f]{32}\b", source)  # MLflow's own server stores no model_id with a version
    model_id = version.model_id or (in_source[0] if in_source else "")
    tags = dict(version.tags)
    number, run_id, description = int(version.version), version.run_id or "", version.description or ""
    return Version(version.name, number, run_id, model_id, source, comparison, tags, description)


def fetch_champion_outcomes(paths: Paths) -> Champion:
    """Returns what the registry has of the champion's answers to validation rows; raises TrackingError."""
    register: Json = read_params(paths.params_path).get("register") or {}
    registry, name = Registry(paths), str(register.get("name", DEFAULT_NAME))
    champion = registry.find_champion(name)
    if champion is None:
        return Champion(None, f"the registry has no champion of {name}", is_absent=True)
    outcomes = registry.download_outcomes(champion, "val")
    if outcomes is None:
        return Champion(None, f"the champion, {champion.title}, has no stored answers to validation rows")
    return Champion(outcomes)


def _hash_content(candidate: Candidate, metrics: Mapping[str, Metrics]) -> str:
    parts = [candidate.name, candidate.run_id, hash_file(candidate.graph), candidate.card, candidate.reference, metrics]
    parts += [candidate.statement] if candidate.statement else []
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _make_model_name(name: str) -> str:
    """Returns a name without the characters that MLflow refuses in names of logged models."""
    return re.sub(r"[/:.%\"']", "-", name)
