"""The connection to MLflow: an absolute URI or a server; errors in one line, without credentials."""

import pytest

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.tracking.client import connect, find_or_create_experiment, tracking_uri, translate_mlflow_errors


def test_uri_without_a_server_is_absolute(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(Paths(tmp_path)) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    assert tracking_uri(Paths(tmp_path)) == "http://mlflow.example:5000"


def test_experiment_is_created_once_next_to_the_file(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    paths = Paths(tmp_path)
    client = connect(paths)
    first = find_or_create_experiment(client, paths)
    assert find_or_create_experiment(client, paths) == first
    experiment = client.get_experiment(first)
    assert experiment.name == "mine"
    assert experiment.artifact_location == (tmp_path / "mlartifacts").as_uri()


def test_damaged_file_is_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_text("this is no database, but long enough to be taken for one" * 10)
    with pytest.raises(TrackingError) as caught:
        connect(Paths(tmp_path))
    assert "mlflow.db" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_name_the_server_without_its_password(tmp_path, monkeypatch):
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example/x")
    with pytest.raises(TrackingError) as caught, translate_mlflow_errors(Paths(tmp_path)):
        raise MlflowException("no\nsuch  thing")
    assert str(caught.value).startswith("MLFLOW_TRACKING_URI: https://mlflow.example/x: no such thing; ")
