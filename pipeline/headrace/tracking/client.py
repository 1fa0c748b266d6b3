"""The connection to MLflow: the project's own SQLite file, or the server in MLFLOW_TRACKING_URI."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.tracking.database import ARTIFACTS, create_database, has_own_database, relocate_artifacts
from headrace.tracking.run_view.columns import make_view_tags
from headrace.tracking.uri import (
    REGISTRY,
    TRACKING,
    deleted_experiment,
    experiment_name,
    find_sqlite_file,
    remove_credentials,
    tracking_uri,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

REASON_CHARACTERS = 200
DENIED = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"}
NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}
"""MLflow's codes for a model, version or file that is not there."""
PERMANENT = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "INVALID_STATE"}
"""Error codes of requests that would fail again."""


def connect(paths: Paths) -> MlflowClient:
    """Returns a client for the tracking server and its registry; raises TrackingError if it is not reachable."""
    # a server that is down must cost seconds, not minutes: the sender tries again
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow sends usage statistics by default
    with translate_mlflow_errors(paths):
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):  # after the import, which sets their levels
            logging.getLogger(name).setLevel(logging.ERROR)
        uri, database = tracking_uri(paths), find_sqlite_file(paths)
        if database is not None:
            create_database(database)
            relocate_artifacts(paths)
        return MlflowClient(tracking_uri=uri, registry_uri=os.environ.get(REGISTRY) or uri)


@contextmanager
def translate_mlflow_errors(paths: Paths) -> Iterator[None]:
    """Turns errors of MLflow and its transport into a TrackingError that names the server, without credentials."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        reason = remove_credentials(" ".join(str(error).split()))[:REASON_CHARACTERS].rstrip(".")
        where = remove_credentials(tracking_uri(paths))
        raise TrackingError(f"{TRACKING}: {where}: {reason}; {_advise(error)}") from error


def is_denied(error: BaseException) -> bool:
    """Whether the server asks for another user or password."""
    return getattr(error, "error_code", "") in DENIED


def is_permanent(error: BaseException) -> bool:
    """Whether the same request would fail again: the server refused its contents, or a file of the outbox is gone."""
    return isinstance(error, FileNotFoundError) or getattr(error, "error_code", "") in PERMANENT


def _advise(error: Exception) -> str:
    """What to do about an error, as far as its kind is known."""
    if is_denied(error):
        return "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    if "out-of-date database schema" in str(error):
        return "copy the database, then run: mlflow db upgrade URI"
    if is_permanent(error):
        return "correct what it names"
    return "start that server, or unset the variable" if os.environ.get(TRACKING) else "check that file"


def find_or_create_experiment(client: MlflowClient, paths: Paths) -> str:
    """Returns the experiment's id; its artifacts lie next to the SQLite file, unless there is a server.

    Raises TrackingError if it was deleted.
    """
    name = experiment_name()
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = (paths.tracking_root / ARTIFACTS).as_uri() if has_own_database(paths) else None
        return str(client.create_experiment(name, artifact_location=location, tags=make_view_tags()))
    if experiment.lifecycle_stage == "deleted":
        raise deleted_experiment(name)
    _update_view(client, experiment)
    return str(experiment.experiment_id)


def _update_view(client: MlflowClient, experiment: Experiment) -> None:
    """Gives an experiment of others or of an earlier version the columns of this one, if that is allowed."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):
        for name, value in make_view_tags().items():
            if experiment.tags.get(name) != value:
                client.set_experiment_tag(experiment.experiment_id, name, value)
