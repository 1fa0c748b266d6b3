"""A new SQLite database is the same as the one that MLflow would create; that of a moved project is correct."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.database import create_database, relocate_artifacts


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


@pytest.fixture
def recorded(tmp_path: Path, empty_registry: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project in a folder with a blank and a percent sign, with files of a run and of a registered model."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths = Paths(tmp_path / "old place_100%")
    paths.root.mkdir()
    shutil.copy(empty_registry, paths.root / "mlflow.db")
    client = connect(paths)
    experiment = find_or_create_experiment(client, paths)
    run_id = client.create_run(experiment, tags={"headrace.project": str(paths.root)}).info.run_id
    client.log_text(run_id, "original", "note.txt")
    model = client.create_logged_model(experiment, name="shapes", source_run_id=run_id)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "MLmodel").write_text("flavors: {}")
    client.log_model_artifacts(model.model_id, str(tmp_path / "files"))
    client.create_registered_model("shapes")
    client.create_model_version("shapes", source=model.artifact_location, run_id=run_id, model_id=model.model_id)
    forget_stores()
    return paths


def forget_stores() -> None:
    """As in another process: MLflow remembers where the files of a run or model are."""
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()


def find_locations(paths: Paths) -> list[str]:
    """Every text in the database that has an absolute path in it."""
    with closing(sqlite3.connect(paths.root / "mlflow.db")) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [cell for name in tables for row in database.execute(f'SELECT * FROM "{name}"') for cell in row]
    return [cell for cell in cells if isinstance(cell, str) and re.match(r"(file://)?/", cell)]


def read_note(paths: Paths) -> str:
    forget_stores()
    client = connect(paths)
    (run,) = client.search_runs([find_or_create_experiment(client, paths)])
    return Path(client.download_artifacts(run.info.run_id, "note.txt")).read_text()


def test_moved_project_has_all_its_files_and_says_so_once(recorded: Paths, tmp_path: Path, caplog) -> None:
    num_locations = len(find_locations(recorded))
    caplog.clear()
    moved = Paths(recorded.root.rename(tmp_path / "new place_100%"))
    assert read_note(moved) == "original"
    client = connect(moved)
    (version,) = client.search_model_versions("name = 'shapes'")
    (model,) = client.search_logged_models([find_or_create_experiment(client, moved)])
    assert version.source == client.get_model_version_download_uri("shapes", "1") == model.artifact_location
    assert [item.path for item in client.list_logged_model_artifacts(model.model_id)] == ["MLmodel"]
    locations = find_locations(moved)
    assert len(locations) == num_locations
    prefixes = (moved.root.as_uri(), str(moved.root))
    default = "/mlruns/0"  # of the experiment Default, where the tests started
    assert all(location.startswith(prefixes) for location in locations if not location.endswith(default)), locations
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("headrace")]
    assert messages == [f"mlflow.db: 5 locations in {recorded.root} are now here"]


def test_copy_writes_beside_itself_and_leaves_the_original_as_it_is(recorded: Paths, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in recorded.root.rglob("*")}
    copy = Paths(Path(shutil.copytree(recorded.root, tmp_path / "copy")))
    client = connect(copy)
    (run,) = client.search_runs([find_or_create_experiment(client, copy)])
    client.log_text(run.info.run_id, "copied", "note.txt")
    client.log_text(client.create_run(run.info.experiment_id).info.run_id, "new", "note.txt")
    assert {path: path.stat().st_mtime_ns for path in recorded.root.rglob("*")} == before
    assert len(list(copy.root.rglob("note.txt"))) == 2
    assert read_note(recorded) == "original"


def test_copy_without_the_files_says_where_they_may_be(recorded: Paths, tmp_path: Path, caplog) -> None:
    (tmp_path / "copy").mkdir()
    shutil.copy(recorded.root / "mlflow.db", tmp_path / "copy")
    relocate_artifacts(Paths(tmp_path / "copy"))
    assert f"; models without files here: 1 (they may still be in {recorded.root})" in caplog.text


def test_stores_of_others_and_databases_elsewhere_are_left_alone(
    recorded: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared" / "mlartifacts").mkdir(parents=True)
    shared = (tmp_path / "shared" / "mlartifacts").as_uri()
    connect(recorded).create_experiment("shared", artifact_location=shared)
    connect(recorded).create_experiment("bucket", artifact_location="s3://bucket/mlartifacts")
    before = (recorded.root / "mlflow.db").read_bytes()
    relocate_artifacts(recorded)
    assert (recorded.root / "mlflow.db").read_bytes() == before, "nothing was moved"
    copy = Paths(Path(shutil.copytree(recorded.root, tmp_path / "copy")))
    with monkeypatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{recorded.root}/mlflow.db")
        relocate_artifacts(copy)
    assert (copy.root / "mlflow.db").read_bytes() == (recorded.root / "mlflow.db").read_bytes() == before
    relocate_artifacts(copy)
    locations = find_locations(copy)
    assert {each for each in locations if "/copy" not in each and not each.endswith("/mlruns/0")} == {shared}


def test_database_that_cannot_be_changed_is_one_line(recorded: Paths, tmp_path: Path, monkeypatch) -> None:
    copy = Paths(Path(shutil.copytree(recorded.root, tmp_path / "copy")))
    before = (copy.root / "mlflow.db").read_bytes()
    monkeypatch.setattr("headrace.tracking.database.LOCK_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(copy.root / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TrackingError, match=r"names files in .*, where this project was, .*\(database is locked\)"):
            connect(copy)
    assert (copy.root / "mlflow.db").read_bytes() == before


def test_database_without_tables_is_left_to_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(b"no database")
    relocate_artifacts(Paths(tmp_path))
    assert (tmp_path / "mlflow.db").read_bytes() == b"no database"
