"""The project's own SQLite database for MLflow: created without its migrations, and correct after a move or copy."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.storage.atomic import atomic_file
from headrace.tracking.uri import find_sqlite_file

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
"""File and folder of a project without a tracking server."""
FOLDERS = (ARTIFACTS, "mlruns")
"""Folders beside the database; the second is MLflow's choice for the experiment `Default`."""
LOCATION = re.compile(rf"(?:file://)?(?P<root>/.*)/{ARTIFACTS}")
LOCATIONS = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
    "trace_tags": ("value",),
}
"""Table -> columns with absolute locations in MLflow's schema."""
LOCK_TIMEOUT_S = 10.0
logger = logging.getLogger(__name__)


def create_database(path: Path) -> None:
    """Creates a new SQLite file as a copy of one with MLflow's empty tables; leaves a file that exists.

    MLflow needs two seconds to create its tables, since it runs its migrations from the first release on. The original
    is made once for each version of MLflow, in the user's cache folder. Where that fails, nothing is written, and
    MLflow creates its tables at the first connection.
    """
    if path.exists():
        return
    with suppress(Exception):
        original = _find_or_create_original()
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            copy = shutil.copyfile(original, Path(folder) / path.name)
            os.link(copy, path)  # unlike a rename, never replaces the file of another process


def has_own_database(paths: Paths) -> bool:
    """Whether runs are stored in the project's own file."""
    return find_sqlite_file(paths) == paths.tracking_root / DATABASE


def relocate_artifacts(paths: Paths) -> None:
    """Rewrites the locations in the project's own database if its folder is not the one that they name.

    MLflow stores absolute locations: after a move no version has files, and a copy writes into the original. Databases
    that MLFLOW_TRACKING_URI names elsewhere are left alone. Raises TrackingError if the file cannot be changed.
    """
    path, root = paths.tracking_root / DATABASE, paths.tracking_root
    if not has_own_database(paths) or not path.is_file():
        return
    former = _find_former_roots(path, root)
    try:
        num_changed = _rewrite_locations(path, former, root) if former else 0
    except sqlite3.Error as error:
        raise TrackingError(
            f"{path}: names files in {former[0]}, where this project was, and cannot be changed ({error}); grant write "
            "access to it, or move the project back"
        ) from None
    if num_changed:
        missing = _count_missing_models(path)
        note = f"; models without files here: {missing} (they may still be in {former[0]})" if missing else ""
        logger.warning("%s: %s locations in %s are now here%s", DATABASE, f"{num_changed:,}", former[0], note)


def _find_former_roots(path: Path, root: Path) -> list[Path]:
    """Returns the folders other than `root` in which the database's experiments store files.

    Not those of a store without a database beside it, which no project has ever been.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=LOCK_TIMEOUT_S)) as database:
            locations = [row[0] or "" for row in database.execute("SELECT artifact_location FROM experiments")]
    except sqlite3.Error:  # no tables yet, or damaged: MLflow says so
        return []
    matches = [match for location in locations if (match := LOCATION.fullmatch(location))]
    roots = {Path(unquote(match["root"]) if match[0].startswith("file:") else match["root"]) for match in matches}
    return sorted(each for each in roots - {root} if not _is_foreign_store(each))


def _is_foreign_store(root: Path) -> bool:
    return (root / ARTIFACTS).is_dir() and not (root / DATABASE).is_file()


def _rewrite_locations(path: Path, former: list[Path], root: Path) -> int:
    """Rewrites all locations below former roots in one transaction; returns their number."""
    with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        with database:
            before = database.total_changes
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for old, new in [pair for each in former for pair in _pair_prefixes(each, root)]:
                for table, columns in LOCATIONS.items():
                    for column in columns if table in tables else ():
                        _replace_prefix(database, table, column, (old, new))
            parameters = [(str(root), str(each)) for each in former]
            query = "UPDATE tags SET value = ? WHERE key = 'headrace.project' AND value = ?"
            locations = database.total_changes - before
            database.executemany(query, parameters)
    return locations


def _pair_prefixes(former: Path, root: Path) -> list[tuple[str, str]]:
    """The former and the new locations of each folder, as URI and as path."""
    pairs = [(former / name, root / name) for name in FOLDERS]
    return [(old.as_uri(), new.as_uri()) for old, new in pairs] + [(str(old), str(new)) for old, new in pairs]


def _replace_prefix(database: sqlite3.Connection, table: str, column: str, pair: tuple[str, str]) -> None:
    """Replaces a location, and the start of those below it; LIKE would take `_` and `%` for patterns."""
    old, new = pair
    query = (
        f"UPDATE {table} SET {column} = ?1 || substr({column}, length(?2) + 1) "  # noqa: S608 names of LOCATIONS
        f"WHERE {column} = ?2 OR substr({column}, 1, length(?2) + 1) = ?2 || '/'"
    )
    database.execute(query, (new, old))


def _count_missing_models(path: Path) -> int:
    """Counts the models without a folder."""
    query = "SELECT artifact_location FROM logged_models WHERE lifecycle_stage = 'active'"
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as database:
        locations = [row[0] for row in database.execute(query)]
        return sum(not Path(unquote(uri.removeprefix("file://"))).is_dir() for uri in locations)
    return 0


def _find_or_create_original() -> Path:
    from mlflow.version import VERSION

    cache_dir = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"
    original = cache_dir / f"mlflow-{VERSION}.db"
    if not original.is_file():
        from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

        cache_dir.mkdir(parents=True, exist_ok=True)
        with atomic_file(original) as part:
            engine = create_sqlalchemy_engine(f"sqlite:///{part}")
            _initialize_tables(engine)
            engine.dispose()
    return original
