"""The connection to MLflow: the project's own SQLite file, or the server in MLFLOW_TRACKING_URI."""

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
    """Returns the tracking URI. The project's own is absolute, since `dvc exp run --temp` runs in another folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{paths.root / 'mlflow.db'}"


def module_to_preload() -> str:
    """Sets the variables that MLflow reads at import; returns the module to import in advance."""
    _set_environment()
    return "mlflow.store.tracking.sqlalchemy_store"


def _set_environment() -> None:
    # a server that is down must cost seconds, not minutes: the next stage logs what this one could not
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow sends usage statistics by default


def connect(paths: Paths) -> MlflowClient:
    """Returns a client for the tracking server and its registry; raises TrackingError if it is not reachable."""
    _set_environment()
    with translate_mlflow_errors(paths):
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):  # after the import, which sets their levels
            logging.getLogger(name).setLevel(logging.ERROR)
        uri = tracking_uri(paths)
        return MlflowClient(tracking_uri=uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or uri)


@contextmanager
def translate_mlflow_errors(paths: Paths) -> Iterator[None]:
    """Turns errors of MLflow and its transport into a TrackingError that names the server, without credentials."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        reason = remove_credentials(" ".join(str(error).split()))[:200]
        raise TrackingError(
            f"MLFLOW_TRACKING_URI: {remove_credentials(tracking_uri(paths))}: {reason}; "
            f"start that server, or unset the variable"
        ) from error


def find_or_create_experiment(client: MlflowClient, paths: Paths) -> str:
    """Returns the experiment's id; its artifacts lie next to the SQLite file, unless there is a server."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    is_embedded = not os.environ.get("MLFLOW_TRACKING_URI")
    location = (paths.root / "mlartifacts").as_uri() if is_embedded else None
    return str(client.create_experiment(name, artifact_location=location))


def remove_credentials(text: str) -> str:
    """Returns the text with the user and password removed from each URI."""
    return re.sub(r"://[^/@\s]+@", "://", text)
