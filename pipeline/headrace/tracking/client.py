"""The way to MLflow: an embedded SQLite file of the project, or the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.errors import TrackingError
from headrace.paths import Paths

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "headrace"


def tracking_uri(paths: Paths) -> str:
    """The URI in force; the embedded one is absolute, since `dvc exp run --temp` runs in another folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{paths.root / 'mlflow.db'}"


def module_to_preload() -> str:
    """Sets what MLflow reads when it is imported; returns what to import, for who has time to do so ahead."""
    _set_environment()
    return "mlflow.store.tracking.sqlalchemy_store"


def _set_environment() -> None:
    # a server that is down must cost seconds, not minutes: what could not be told is told by the next stage
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would send figures of use to its makers


def connect(paths: Paths) -> MlflowClient:
    """A client of the tracking server and its registry; raises TrackingError when it cannot be reached."""
    _set_environment()
    with translate_mlflow_errors(paths):
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):  # after the import, which sets them
            logging.getLogger(name).setLevel(logging.ERROR)
        uri = tracking_uri(paths)
        return MlflowClient(tracking_uri=uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or uri)


@contextmanager
def translate_mlflow_errors(paths: Paths) -> Iterator[None]:
    """Turns what MLflow and its transport raise into a TrackingError that names the server (without credentials)."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        reason = without_credentials(" ".join(str(error).split()))[:200]
        raise TrackingError(
            f"MLFLOW_TRACKING_URI: {without_credentials(tracking_uri(paths))}: {reason}; "
            f"start that server, or unset the variable"
        ) from error


def find_or_create_experiment(client: MlflowClient, paths: Paths) -> str:
    """The experiment's id; it is made at the first use, its artifacts beside the embedded file."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    is_embedded = not os.environ.get("MLFLOW_TRACKING_URI")
    location = (paths.root / "mlartifacts").as_uri() if is_embedded else None
    return str(client.create_experiment(name, artifact_location=location))


def without_credentials(text: str) -> str:
    """Text with the user and password of each URI taken out."""
    return re.sub(r"://[^/@\s]+@", "://", text)
