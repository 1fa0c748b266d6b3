"""What is read from MLflow's tables is what MLflow's client answers."""

import pytest

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.runs import PARENT
from headrace.tracking.served.result_index import ServerIndex, SqliteIndex, StoredResult, open_index


@pytest.fixture
def paths(tmp_path, empty_registry, monkeypatch):
    """Three versions, of which one is deleted; four runs: finished, running, deleted, and a trial."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(empty_registry.read_bytes())
    paths = Paths(tmp_path)
    client = connect(paths)
    experiment = find_or_create_experiment(client, paths)
    runs = [client.create_run(experiment, run_name=name).info.run_id for name in ("a", "running", "deleted", "b")]
    trial = client.create_run(experiment, run_name="trial-000", tags={PARENT: runs[0]}).info.run_id
    for run_id in (runs[0], *runs[2:], trial):
        client.set_terminated(run_id)
    client.delete_run(runs[2])
    client.create_registered_model("it's")
    for run_id in (runs[0], runs[3], runs[2], None):
        client.create_model_version("it's", source=f"{tmp_path}/model", run_id=run_id)
    client.delete_model_version("it's", "2")
    client.set_registered_model_alias("it's", "champion", "1")
    client.set_registered_model_alias("it's", "best", "1")
    return paths


def test_tables_and_client_give_the_same_answers(paths):
    direct, client = open_index(paths), ServerIndex(paths)
    assert isinstance(direct, SqliteIndex)
    for which in ("1", "2", "3", "4", "9", "champion", "nothing"):
        assert direct.find_version("it's", which) == client.find_version("it's", which), which
        assert direct.find_version("other", which) is client.find_version("other", which) is None
    version = direct.find_version("it's", "champion")
    assert (version.title, version.number) == ("it's version 1 (best, champion), run a", 1)
    assert version.run_uri.startswith("file://")
    assert direct.find_version("it's", "2") is None, "deleted"
    assert direct.find_version("it's", "4").title == "it's version 4, without a run"
    for count in (1, 9):
        assert direct.list_versions("it's", count) == client.list_versions("it's", count)
        assert direct.list_runs(count) == client.list_runs(count)
    assert [each.number for each in direct.list_versions("it's", 9)] == [4, 3, 1]
    assert [run.run_name for run in direct.list_runs(9)] == ["b", "a"]
    assert (direct.list_versions("other", 9), client.list_versions("other", 9)) == ([], [])
    for key in ("a", "running", "deleted", "trial-000", "nothing", version.run_id, "it's"):
        assert direct.find_runs(key) == client.find_runs(key), key
    assert direct.find_runs(version.run_id)[0].title == "run a"


def test_missing_or_foreign_database_is_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match=r"mlflow.db: no such file, so that there is nothing to compare; run: dvc"):
        open_index(Paths(tmp_path))
    (tmp_path / "mlflow.db").write_bytes(b"")
    with pytest.raises(TrackingError, match=r"mlflow.db: not readable as MLflow's database \(no such table: "):
        open_index(Paths(tmp_path)).list_runs(1)


def test_another_registry_is_asked_by_the_client(paths, monkeypatch):
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{paths.root}/mlflow.db")
    assert isinstance(open_index(paths), ServerIndex)
    assert StoredResult("", 0, (), "", "abc", "", "").title == "run abc"
