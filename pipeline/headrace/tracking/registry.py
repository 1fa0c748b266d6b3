"""The registry: model versions with lineage and a served model, and the aliases challenger and champion."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.contracts import Json
from headrace.paths import Paths
from headrace.storage.bundle import Bundle
from headrace.tracking import serving_package
from headrace.tracking.client import connect, find_or_create_experiment, translate_mlflow_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
VERSION_METRICS = {
    "classification": {"accuracy": ".4f", "accuracy_low": ".4f", "accuracy_high": ".4f"},
    "multilabel": {"micro_f1": ".4f", "accuracy": ".4f", "accuracy_low": ".4f", "accuracy_high": ".4f"},
    "regression": {"rmse": ".6g", "rmse_low": ".6g", "rmse_high": ".6g", "r2": ".4f"},
}
"""Task -> test metrics in the tags of a version, with their format."""
PREDICTIONS = "reports/test/predictions.parquet"


@dataclass(frozen=True)
class Candidate:
    """A model to register as a new version."""

    name: str
    """Name of the model in the registry."""
    run_id: str
    bundle: Bundle
    graph: Path
    """The bundle's graph, or the quantized one."""
    card: Json
    """What serving needs to know; see `serving_package.make_card`."""
    example: dict[str, Any]
    """The input example: a row as a client sends it."""
    tags: Mapping[str, str]


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


def register_version(paths: Paths, candidate: Candidate) -> ModelVersion:
    """Logs the served model to its run and registers it as a new version; raises TrackingError."""
    client = connect(paths)
    with translate_mlflow_errors(paths), tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        _save(folder, candidate)
        model = client.create_logged_model(
            find_or_create_experiment(client, paths),
            name=candidate.name,
            source_run_id=candidate.run_id,
            tags=dict(candidate.tags),
        )
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        _ensure_registered(client, candidate.name)
        return client.create_model_version(
            candidate.name,
            source=model.artifact_location,
            run_id=candidate.run_id,
            tags=dict(candidate.tags),
            model_id=model.model_id,
        )


def set_alias(paths: Paths, name: str, alias: str, number: int) -> None:
    """Points an alias at a version."""
    client = connect(paths)
    with translate_mlflow_errors(paths):
        client.set_registered_model_alias(name, alias, str(number))


def find_champion(paths: Paths, name: str) -> ModelVersion | None:
    """Returns the current champion, or None."""
    from mlflow.exceptions import MlflowException

    client = connect(paths)
    with translate_mlflow_errors(paths):
        try:
            return client.get_model_version_by_alias(name, CHAMPION)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise


def download_test_predictions(paths: Paths, run_id: str) -> Path | None:
    """Downloads a run's predictions for the test rows; returns None if it has none."""
    client = connect(paths)
    with translate_mlflow_errors(paths):
        folder = PREDICTIONS.rpartition("/")[0]
        if PREDICTIONS not in {item.path for item in client.list_artifacts(run_id, folder)}:
            return None
        scratch = paths.state_dir / "scratch" / "champion"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        return Path(client.download_artifacts(run_id, PREDICTIONS, str(scratch)))


def _ensure_registered(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _save(folder: Path, candidate: Candidate) -> None:
    """Writes the model in MLflow's layout: code, graph, card, signature, example, pinned requirements."""
    import mlflow
    import pandas as pd

    scratch, bundle = folder.parent, candidate.bundle
    modality = bundle.spec.modality
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(files("headrace.tracking") / "served_model.py"),
        artifacts={"graph": str(candidate.graph), **serving_package.write_artifacts(scratch, candidate.card, bundle)},
        code_paths=[serving_package.write_code(scratch, modality)],
        signature=serving_package.make_signature(bundle),
        input_example=pd.DataFrame([candidate.example]),
        pip_requirements=serving_package.pin_requirements(modality),
    )
