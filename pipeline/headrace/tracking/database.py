"""New SQLite databases for MLflow."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.storage.atomic import atomic_file


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
