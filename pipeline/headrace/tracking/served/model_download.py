"""Fetches the files of a registered version from MLflow, in the project's registry or another."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import ConfigError, TrackingError
from headrace.paths import Paths
from headrace.tracking.client import connect, translate_mlflow_errors
from headrace.tracking.uri import TRACKING, find_sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


def check_model_uri(uri: str) -> None:
    """Raises ConfigError unless a URI names a version by its number or by an alias."""
    if not MODEL_URI.fullmatch(uri):
        raise ConfigError(f"model: {uri!r}; must be models:/NAME@ALIAS, models:/NAME/NUMBER, or a folder of a model")


def resolve_version(uri: str, paths: Paths) -> str:
    """Returns `models:/NAME/NUMBER` for a version that a URI names by an alias; raises TrackingError."""
    check_model_uri(uri)
    match = MODEL_URI.fullmatch(uri)
    if match is None or match["version"]:
        return uri
    client = _connect(paths)
    with translate_mlflow_errors(paths):
        version = client.get_model_version_by_alias(match["name"], match["alias"])
    return f"models:/{match['name']}/{version.version}"


def download_model(uri: str, paths: Paths, folder: Path) -> Path:
    """Returns the folder of a version's files: where the registry has them, or a copy in `folder`, which exists.

    Raises TrackingError.
    """
    client = _connect(paths)
    with translate_mlflow_errors(paths):
        name, number = uri.removeprefix("models:/").split("/")
        location = client.get_model_version_download_uri(name, number)
        local = Path(location.removeprefix("file://"))
        if local.is_dir():
            return local
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(uri, dst_path=str(folder), tracking_uri=client.tracking_uri))


def _connect(paths: Paths) -> MlflowClient:
    """A client for a registry that exists: to connect to a missing SQLite file would create it."""
    database = find_sqlite_file(paths)
    if database is not None and not database.is_file():
        where = "is not set, and there is no" if TRACKING not in os.environ else "there is no"
        raise TrackingError(f"{TRACKING}: {where} {database}; set it to the registry, or give the folder of a model")
    return connect(paths)
