"""Where MLflow records: what cannot work is one line that fits, before any work and without MLflow."""

import os
import sqlite3
import subprocess
import sys

import pytest

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.tracking.uri import (
    check_shared_tracking,
    check_tracking_uri,
    check_uri_for_cluster,
    experiment_name,
    find_sqlite_file,
    remove_credentials,
    tracking_uri,
)


@pytest.fixture
def paths(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return Paths(tmp_path)


def test_uri_of_a_file_is_absolute(paths, monkeypatch):
    assert tracking_uri(paths) == f"sqlite:///{paths.root}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs.db")
    assert tracking_uri(paths) == f"sqlite:///{paths.root}/runs.db"
    assert find_sqlite_file(paths)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    assert tracking_uri(paths) == "http://mlflow.example:5000"
    assert find_sqlite_file(paths) is None


def test_uri_of_an_experiment_copy_is_the_projects_own(paths):
    (paths.root / "params.yaml").write_text("{}\n")
    copy = Paths(paths.root / ".dvc" / "tmp" / "exps" / "standalone" / "tmpx1")
    assert tracking_uri(copy) == f"sqlite:///{paths.root}/mlflow.db"


@pytest.mark.parametrize(
    "uri",
    ["", "http://127.0.0.1:5000", "https://me:pass@mlflow.example/sub", "databricks", "databricks://profile",
     "sqlite:///x.db", "sqlite:////tmp/x.db"],
)  # fmt: skip
def test_check_accepts_what_mlflow_accepts(paths, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    check_tracking_uri(paths)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:////no/such/dir/x.db", "/no/such/dir/x.db: there is no folder /no/such/dir; create it, or"),
        ("file:///tmp/mlruns", "'file:///tmp/mlruns' is a folder, where MLflow no longer keeps runs; use sqlite:"),
        ("./mlruns", "'./mlruns' is a folder, where MLflow no longer keeps runs; use sqlite:"),
        ("ftp://host/x", "'ftp://host/x': MLflow cannot record to 'ftp'; use sqlite:"),
        ("http//host", "'http//host' is a folder, where"),
        ("htp://user:secret@host", "'htp://host': MLflow cannot record to 'htp'; use sqlite:"),
        ("http://", "'http://' names no host; write http://host:port"),
        ("http://host:port", "'http://host:port' names no host"),
        ("postgres://host/db", "SQLAlchemy knows no 'postgres'; write postgresql://"),
        ("mysql://user:secret@host/db",
         "mysql://host/db: mysql:// needs the Python module MySQLdb, which is not installed; pip install mysqlclient, "
         "or name an installed driver: mysql+DRIVER://"),
        ("postgresql+psycopg2://host/db", "needs the Python module psycopg2, which is not installed; pip install "),
        ("postgresql+nonsense://host/db", "postgresql+nonsense://host/db: "),
    ],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
def test_check_refuses_in_one_line_what_cannot_work(paths, monkeypatch, variable, uri, expected):
    if "psycopg2" in uri and _is_installed("psycopg2"):
        pytest.skip("psycopg2 is installed here")
    monkeypatch.setenv(variable, uri)
    with pytest.raises(TrackingError) as caught:
        check_tracking_uri(paths)
    message = str(caught.value)
    assert message.startswith(f"{variable}: ")
    assert expected in message
    assert "secret" not in message
    assert "\n" not in message
    assert not list(paths.root.iterdir())


def _is_installed(module):
    from importlib.util import find_spec

    return find_spec(module) is not None


def test_check_refuses_a_file_that_is_no_database(paths):
    (paths.root / "mlflow.db").write_text("this is no database, but long enough to be taken for one" * 10)
    with pytest.raises(TrackingError, match=r"mlflow\.db is not an SQLite database; restore it"):
        check_tracking_uri(paths)


def test_check_refuses_a_deleted_experiment(paths, empty_registry, monkeypatch):
    from mlflow import MlflowClient

    (paths.root / "mlflow.db").write_bytes(empty_registry.read_bytes())
    client = MlflowClient(tracking_uri(paths))
    experiment = client.create_experiment("headrace")
    check_tracking_uri(paths)
    client.delete_experiment(experiment)
    with pytest.raises(TrackingError) as caught:
        check_tracking_uri(paths)
    assert "the experiment 'headrace' was deleted; restore it: mlflow experiments restore" in str(caught.value)
    assert "MLFLOW_EXPERIMENT_NAME" in str(caught.value)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    assert experiment_name() == "another"
    check_tracking_uri(paths)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    client.restore_experiment(experiment)
    check_tracking_uri(paths)


@pytest.mark.parametrize(("uri", "num_nodes", "is_refused"), [
    ("", 1, False), ("", 3, True), ("sqlite:////shared/mlflow.db", 3, True), ("http://tracking:5000", 3, False),
    ("postgresql://me@host/runs", 3, False),
])  # fmt: skip
def test_no_file_behind_several_nodes(paths, monkeypatch, uri, num_nodes, is_refused):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    if not is_refused:
        check_shared_tracking(paths, num_nodes)
        return
    with pytest.raises(TrackingError, match=r"^MLFLOW_TRACKING_URI: .* 3 nodes .* MLFLOW_TRACKING_URI=http") as caught:
        check_shared_tracking(paths, num_nodes)
    assert "\n" not in str(caught.value)


def test_check_leaves_a_database_of_others_to_mlflow(paths):
    with sqlite3.connect(paths.root / "mlflow.db") as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    check_tracking_uri(paths)


def test_check_imports_neither_mlflow_nor_sqlalchemy(paths):
    code = (
        "import sys; from pathlib import Path; from headrace.paths import Paths\n"
        "from headrace.tracking.uri import check_tracking_uri; check_tracking_uri(Paths(Path.cwd()))\n"
        "print([name for name in ('mlflow', 'sqlalchemy', 'numpy', 'pyarrow') if name in sys.modules])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    done = subprocess.run([sys.executable, "-c", code], cwd=paths.root, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_credentials_are_removed():
    assert remove_credentials("at postgresql://me:secret@host/db, http://tok@x") == "at postgresql://host/db, http://x"


def test_uri_for_a_cluster_is_checked_by_its_form_only(monkeypatch):
    for uri in ("postgresql+nodriver://user@host/runs", "sqlite:////shared/of/the/cluster.db", "http://mlflow:5000"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        check_uri_for_cluster()
    for uri in ("file:///tmp/mlruns", "http://"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI: "):
            check_uri_for_cluster()
