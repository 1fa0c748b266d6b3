"""A new SQLite database is a copy of an empty one, and the same as the one that MLflow would create."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headrace.tracking.database import create_database


@pytest.fixture
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def read_database(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as database:
        objects = database.execute("SELECT name, type, sql FROM sqlite_master").fetchall()
        # SQLAlchemy writes the constraints of a table in the order of a set
        schema = {name: sorted(re.split(r"\s*,?\s+", sql or "")) for name, _, sql in objects}
        tables = [name for name, kind, _ in objects if kind == "table"]
        rows = {name: sorted(map(str, database.execute(f"SELECT * FROM {name}"))) for name in tables}
    return {f"schema of {name}": words for name, words in schema.items()} | rows


def test_copy_equals_the_database_that_mlflow_creates(tmp_path: Path, cache_dir: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    create_database(tmp_path / "copy.db")
    (original,) = (cache_dir / "headrace").glob("mlflow-*.db")
    assert (tmp_path / "copy.db").read_bytes() == original.read_bytes()
    databases = []
    for name in ("copy.db", "new.db"):  # opened by MLflow, which adds its default experiment
        SqlAlchemyStore(f"sqlite:///{tmp_path / name}", str(tmp_path / "artifacts"))
        databases.append(read_database(tmp_path / name))
    for database in databases:
        assert len(database.pop("experiments")) == 1  # its times differ
    assert databases[0] == databases[1]


def test_existing_file_is_left_alone(tmp_path: Path, cache_dir: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.touch()
    create_database(path)
    assert path.read_bytes() == b""
    assert not cache_dir.exists()


def test_unusable_cache_folder_leaves_the_tables_to_mlflow(tmp_path: Path, cache_dir: Path) -> None:
    cache_dir.write_text("a file where a folder should be")
    create_database(tmp_path / "mlflow.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]
