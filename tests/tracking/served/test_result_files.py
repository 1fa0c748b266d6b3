"""Files of local folders, of moved projects, and of other stores, which are downloaded."""

from headrace.paths import Paths
from headrace.tracking.client import connect
from headrace.tracking.served.result_files import ResultFiles


def test_local_files_are_used_where_they_are(tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "x.json").write_text("{}")
    files = ResultFiles(Paths(tmp_path), tmp_path)
    for uri in ((tmp_path / "a b").as_uri(), str(tmp_path / "a b")):
        assert files.find(uri, "x.json") == tmp_path / "a b" / "x.json"
        assert files.find(uri, "y.json") is None
    assert files.find("", "x.json") is None


def test_files_of_a_moved_project_are_those_beside_its_database(tmp_path):
    folder = tmp_path / "mlartifacts" / "models" / "m-1" / "artifacts"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("{}")
    files = ResultFiles(Paths(tmp_path), tmp_path)
    assert files.find("file:///before/mlartifacts/models/m-1/artifacts", "x.json") == folder / "x.json"
    assert files.find("file:///before/elsewhere/models/m-1/artifacts", "x.json") is None


def test_files_of_other_stores_are_downloaded(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths, scratch = Paths(tmp_path), tmp_path / "scratch"
    scratch.mkdir()
    client = connect(paths)
    run = client.create_run(client.create_experiment("x", artifact_location=(tmp_path / "store").as_uri()))
    client.log_text(run.info.run_id, "{}", "metrics/train.json")
    files = ResultFiles(paths, scratch)
    uri = f"runs:/{run.info.run_id}"
    path = files.find(uri, "metrics/train.json")
    assert path.is_relative_to(scratch)
    assert path.read_text() == "{}"
    assert files.find(uri, "metrics/test.json") is None
    assert files.find(f"runs:/{'0' * 32}", "metrics/train.json") is None
    assert files.find(uri, "metrics/train.json") != path, "each file has a folder of its own"
