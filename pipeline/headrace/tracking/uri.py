"""Where MLflow records: the tracking URI and the experiment, checked without importing MLflow or asking a server."""

from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from headrace.errors import TrackingError
from headrace.paths import Paths

EXPERIMENT = "headrace"
TRACKING, REGISTRY, EXPERIMENT_NAME = "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"
DATABASES = ("postgresql", "mysql", "mssql")
SERVERS = ("http", "https")
HOSTED = ("databricks", "databricks-uc", "uc")
PACKAGES = {
    "psycopg": "'headrace[postgresql]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}
"""Module of a database driver -> the package to install, where the names differ."""
FORMS = (
    "use sqlite:////absolute/path/mlflow.db, postgresql://user@host/database, or http://host:port of an MLflow server, "
    "or unset the variable for the project's own mlflow.db"
)
SQLITE_MAGIC = b"SQLite format 3\0"


def tracking_uri(paths: Paths) -> str:
    """Returns the tracking URI; that of an SQLite file is absolute, since DVC runs experiments in other folders."""
    uri = os.environ.get(TRACKING) or "sqlite:///mlflow.db"
    path = _sqlite_path(uri)
    return uri if path is None or path.is_absolute() else f"sqlite:///{paths.tracking_root / path}"


def experiment_name() -> str:
    """Returns the name of the experiment that holds the project's runs."""
    return os.environ.get(EXPERIMENT_NAME) or EXPERIMENT


def check_tracking_uri(paths: Paths) -> None:
    """Raises TrackingError for a location that cannot work: its form, driver, folder or file, or a deleted experiment.

    A server is not contacted: the sender reports what only the server knows.
    """
    for variable in (TRACKING, REGISTRY):
        uri = os.environ.get(variable)
        if uri:
            _check_form(variable, uri)
        path = _sqlite_path(uri or tracking_uri(paths))
        if path is not None:
            _check_sqlite(variable, paths.tracking_root / path)
    path = find_sqlite_file(paths)
    if path is not None and path.is_file() and _is_deleted(path, experiment_name()):
        raise deleted_experiment(experiment_name())


def check_uri_for_cluster() -> None:
    """Raises TrackingError for a location that a submitted job could not record to, as far as its form shows.

    Drivers of databases, and files, are those of the cluster.
    """
    for variable in (TRACKING, REGISTRY):
        uri = os.environ.get(variable)
        if uri and uri.partition(":")[0].partition("+")[0].lower() not in DATABASES:
            _check_form(variable, uri)


def check_shared_tracking(paths: Paths, num_nodes: int) -> None:
    """Raises TrackingError for a cluster of several nodes whose runs would be in an SQLite file.

    SQLite's locks do not hold between machines, and a file on one node is lost with the cluster.
    """
    path = find_sqlite_file(paths)
    if path is not None and num_nodes > 1:
        raise TrackingError(
            f"{TRACKING}: runs would be stored in the SQLite file {path}, which the {num_nodes} nodes of this cluster "
            f"cannot safely share; start an MLflow server that they reach, and set {TRACKING}=http://host:port "
            "(or postgresql://user@host/database) where you submit"
        )


def find_sqlite_file(paths: Paths) -> Path | None:
    """Returns the SQLite file in which runs are stored, or None if another database or a server stores them."""
    return _sqlite_path(tracking_uri(paths))


def remove_credentials(text: str) -> str:
    """Returns the text with the user and password removed from each URI."""
    return re.sub(r"://[^/@\s]+@", "://", text)


def deleted_experiment(name: str) -> TrackingError:
    """Returns the error for an experiment that was deleted in MLflow's pages."""
    return TrackingError(
        f"MLflow: the experiment {name!r} was deleted; restore it: mlflow experiments restore --experiment-id ID "
        f"(mlflow experiments search --view deleted_only lists the ids), or choose another: {EXPERIMENT_NAME}=NAME"
    )


def _check_form(variable: str, uri: str) -> None:
    scheme = uri.partition(":")[0].lower()
    dialect, shown = scheme.partition("+")[0], remove_credentials(uri)
    if scheme in HOSTED or scheme in _plugin_schemes() or _sqlite_path(uri) is not None:
        return
    if scheme in SERVERS:
        if not _has_host(uri):
            raise TrackingError(f"{variable}: {shown!r} names no host; write http://host:port")
    elif dialect in DATABASES and "://" in uri:
        _check_driver(variable, uri)
    elif scheme == "postgres":
        raise TrackingError(f"{variable}: {shown!r}: SQLAlchemy knows no 'postgres'; write postgresql://")
    elif scheme == "file" or "://" not in uri:
        raise TrackingError(f"{variable}: {shown!r} is a folder, where MLflow no longer keeps runs; {FORMS}")
    else:
        raise TrackingError(f"{variable}: {shown!r}: MLflow cannot record to {scheme!r}; {FORMS}")


def _has_host(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _check_driver(variable: str, uri: str) -> None:
    """Imports the driver as SQLAlchemy will: which one a URI means depends on SQLAlchemy's version."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    shown = remove_credentials(uri)
    try:
        make_url(uri).get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        module = error.name or ""
        scheme = uri.partition(":")[0]
        raise TrackingError(
            f"{variable}: {shown}: {scheme}:// needs the Python module {module}, which is not installed; "
            f"pip install {PACKAGES.get(module, module)}, or name an installed driver: "
            f"{scheme.partition('+')[0]}+DRIVER://"
        ) from None
    except (SQLAlchemyError, ImportError, ValueError) as error:
        reason = remove_credentials(str(error).splitlines()[0])
        raise TrackingError(f"{variable}: {shown}: {reason}; {FORMS}") from None


def _plugin_schemes() -> set[str]:
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group="mlflow.tracking_store")}


def _sqlite_path(uri: str) -> Path | None:
    """The file of `sqlite:///relative` or `sqlite:////absolute`; None for other URIs."""
    match = re.match(r"^sqlite(\+pysqlite)?:///([^?]+)", uri)
    return Path(match[2]) if match else None


def _check_sqlite(variable: str, path: Path) -> None:
    if not path.parent.is_dir():
        raise TrackingError(f"{variable}: {path}: there is no folder {path.parent}; create it, or correct the path")
    if not path.exists() or path.stat().st_size == 0:
        if not os.access(path.parent, os.W_OK):
            raise TrackingError(f"{variable}: {path}: {path.parent} cannot be written to; grant access, or move it")
        return
    if not path.is_file() or _read_start(path) != SQLITE_MAGIC:
        raise TrackingError(f"{variable}: {path} is not an SQLite database; restore it from a copy, or remove it")


def _is_deleted(path: Path, name: str) -> bool:
    """Whether the file holds the experiment as deleted; False for a file without MLflow's tables, or a locked one."""
    import sqlite3

    query = "SELECT lifecycle_stage FROM experiments WHERE name = ?"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2)) as database:
            row = database.execute(query, (name,)).fetchone()
    except sqlite3.Error:
        return False
    return row is not None and row[0] == "deleted"


def _read_start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC))
