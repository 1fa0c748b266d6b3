"""Finds registered versions and runs whose results can be compared. Nothing is written.

MLflow's client takes some five CPU-seconds until it has answered the first question about an SQLite file, which is more
than a whole comparison may take. Therefore a local SQLite file is read without MLflow.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.tracking.client import NOT_FOUND, connect, translate_mlflow_errors
from headrace.tracking.names import quote_text
from headrace.tracking.runs import PARENT
from headrace.tracking.uri import REGISTRY, experiment_name, find_sqlite_file

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

FINISHED, ACTIVE = "FINISHED", "active"
MAX_NAMED = 10
"""Runs of one name that are listed."""


class StoredResult(NamedTuple):
    """A registered version or a run, with the places of its files."""

    name: str
    """In the registry; empty for a run."""
    number: int
    """Of the version; 0 for a run."""
    aliases: tuple[str, ...]
    version_uri: str
    """The folder of the version's files; empty for a run."""
    run_id: str
    run_name: str
    run_uri: str
    """The folder of the run's files; empty if the run is gone."""

    @property
    def title(self) -> str:
        """The version with its aliases, or the run."""
        run = f"run {self.run_name or self.run_id}"
        if not self.number:
            return run
        aliases = f" ({', '.join(self.aliases)})" if self.aliases else ""
        return f"{self.name} version {self.number}{aliases}, {run if self.run_id else 'without a run'}"


class ResultIndex(Protocol):
    """The versions of registered models, and the finished runs of an experiment without the trials of searches."""

    def find_version(self, name: str, which: str) -> StoredResult | None:
        """Returns the version of a number or an alias."""

    def list_versions(self, name: str, count: int) -> list[StoredResult]:
        """Lists the newest versions of a registered model, the newest first."""

    def find_runs(self, key: str) -> list[StoredResult]:
        """Returns the run with this id, or those with this name, the newest first."""

    def list_runs(self, count: int) -> list[StoredResult]:
        """Lists the newest runs, the newest first."""


def open_index(paths: Paths) -> ResultIndex:
    """Opens the project's registry; raises TrackingError if it is not there, not readable or not reachable."""
    database = find_sqlite_file(paths)
    if database is None or os.environ.get(REGISTRY):
        return ServerIndex(paths)
    if not database.is_file():
        raise TrackingError(f"{database}: no such file, so that there is nothing to compare; run: dvc repro")
    return SqliteIndex(database)


VERSIONS = f"""
    SELECT v.name, v.version, v.source, v.run_id, r.name, r.artifact_uri
    FROM model_versions v LEFT JOIN runs r ON r.run_uuid = v.run_id AND r.lifecycle_stage = '{ACTIVE}'
    WHERE v.name = ? AND v.current_stage <> 'Deleted_Internal'
"""  # noqa: S608 constants
RUNS = f"""
    SELECT r.run_uuid, r.name, r.artifact_uri
    FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id
    WHERE e.name = ? AND r.lifecycle_stage = '{ACTIVE}' AND r.status = '{FINISHED}'
    AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.run_uuid = r.run_uuid AND t.key = '{PARENT}')
"""  # noqa: S608 constants


class SqliteIndex:
    """Reads MLflow's tables; tests/tracking/served/test_result_index.py compares the answers with MLflow's client."""

    def __init__(self, database: Path) -> None:
        """`database` is a file with MLflow's tables."""
        self._database = database

    def find_version(self, name: str, which: str) -> StoredResult | None:
        """Returns the version of a number or an alias."""
        number = which
        if not which.isdigit():
            query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
            found = self._select(query, name, which)
            if not found:
                return None
            number = found[0][0]
        rows = self._select(f"{VERSIONS} AND v.version = ?", name, int(number))
        return self._describe(rows[0]) if rows else None

    def list_versions(self, name: str, count: int) -> list[StoredResult]:
        """Lists the newest versions of a registered model, the newest first."""
        rows = self._select(f"{VERSIONS} ORDER BY v.version DESC LIMIT ?", name, count)
        return [self._describe(row) for row in rows]

    def find_runs(self, key: str) -> list[StoredResult]:
        """Returns the run with this id, or those with this name, the newest first."""
        query = f"{RUNS} AND (r.run_uuid = ? OR r.name = ?) ORDER BY r.start_time DESC LIMIT ?"
        rows = self._select(query, experiment_name(), key, key, MAX_NAMED)
        return [StoredResult("", 0, (), "", *row) for row in rows]

    def list_runs(self, count: int) -> list[StoredResult]:
        """Lists the newest runs, the newest first."""
        rows = self._select(f"{RUNS} ORDER BY r.start_time DESC LIMIT ?", experiment_name(), count)
        return [StoredResult("", 0, (), "", *row) for row in rows]

    def _describe(self, row: tuple[Any, ...]) -> StoredResult:
        name, number, source, run_id, run_name, run_uri = row
        query = "SELECT alias FROM registered_model_aliases WHERE name = ? AND version = ? ORDER BY alias"
        aliases = tuple(alias for (alias,) in self._select(query, name, number))
        return StoredResult(name, int(number), aliases, source or "", run_id or "", run_name or "", run_uri or "")

    def _select(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(f"{self._database.as_uri()}?mode=ro", uri=True, timeout=20)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise TrackingError(
                f"{self._database}: not readable as MLflow's database ({error}); restore it, or run: mlflow db upgrade "
                f"sqlite:///{self._database}"
            ) from None


class ServerIndex:
    """Asks MLflow's client: for servers and other databases."""

    def __init__(self, paths: Paths) -> None:
        """Connects; raises TrackingError if the server is not reachable."""
        self._paths, self._client = paths, connect(paths)

    def find_version(self, name: str, which: str) -> StoredResult | None:
        """Returns the version of a number or an alias."""
        with self._none_if_missing() as answer:
            get = self._client.get_model_version if which.isdigit() else self._client.get_model_version_by_alias
            answer.append(self._describe(get(name, which)))
        return answer[0] if answer else None

    def list_versions(self, name: str, count: int) -> list[StoredResult]:
        """Lists the newest versions of a registered model, the newest first."""
        with translate_mlflow_errors(self._paths):
            versions = self._client.search_model_versions(f"name = {quote_text(name)}")
            newest = sorted(versions, key=lambda version: -int(version.version))[:count]
        # a search returns no aliases
        listed = (self.find_version(name, str(version.version)) for version in newest)
        return [version for version in listed if version is not None]

    def find_runs(self, key: str) -> list[StoredResult]:
        """Returns the run with this id, or those with this name, the newest first."""
        with self._none_if_missing() as answer:
            run = self._client.get_run(key)
            answer.extend([_describe_run(run)] if _is_training(run) else [])
        return answer or self._search(f"attributes.run_name = {quote_text(key)}", MAX_NAMED)

    def list_runs(self, count: int) -> list[StoredResult]:
        """Lists the newest runs, the newest first."""
        return self._search("", count)

    def _search(self, query: str, count: int) -> list[StoredResult]:
        condition = " and ".join(part for part in (query, f"attributes.status = '{FINISHED}'") if part)
        with translate_mlflow_errors(self._paths):
            experiment = self._client.get_experiment_by_name(experiment_name())
            if experiment is None:
                return []
            token: str | None = None
            found: list[Run] = []
            while len(found) < count:  # trials come between the trainings
                page = self._client.search_runs(
                    [experiment.experiment_id], condition, order_by=["start_time DESC"], page_token=token
                )
                found += [run for run in page if _is_training(run)]
                token = page.token
                if not token:
                    break
        return [_describe_run(run) for run in found[:count]]

    def _describe(self, version: ModelVersion) -> StoredResult:
        run_id, runs = version.run_id or "", list[StoredResult]()
        if run_id:
            with self._none_if_missing() as runs:
                run = self._client.get_run(run_id)
                runs.extend([_describe_run(run)] if run.info.lifecycle_stage == ACTIVE else [])
        run_name, run_uri = (runs[0].run_name, runs[0].run_uri) if runs else ("", "")
        aliases = tuple(sorted(version.aliases))
        source = str(version.source)
        return StoredResult(version.name, int(version.version), aliases, source, run_id, run_name, run_uri)

    @contextmanager
    def _none_if_missing(self) -> Iterator[list[Any]]:
        """Yields a list that stays empty if MLflow does not have what is asked for."""
        from mlflow.exceptions import MlflowException

        answer: list[Any] = []
        with translate_mlflow_errors(self._paths):
            try:
                yield answer
            except MlflowException as error:
                if error.error_code not in NOT_FOUND:
                    raise


def _is_training(run: Run) -> bool:
    """Whether it is finished, not deleted, and no trial of a search."""
    info = run.info
    return info.lifecycle_stage == ACTIVE and info.status == FINISHED and PARENT not in run.data.tags


def _describe_run(run: Run) -> StoredResult:
    info = run.info
    return StoredResult("", 0, (), "", info.run_id, info.run_name or "", info.artifact_uri or "")
