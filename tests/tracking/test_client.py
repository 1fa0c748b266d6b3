"""The connection to MLflow: its experiment; errors in one line, without credentials, with advice that fits."""

import pytest

from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.tracking.client import (
    connect,
    find_or_create_experiment,
    is_denied,
    is_permanent,
    translate_mlflow_errors,
)
from headrace.tracking.run_view.columns import make_view_tags


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


def test_experiment_of_an_earlier_version_gets_the_columns_of_this_one(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths = Paths(tmp_path)
    client = connect(paths)
    experiment = client.create_experiment("headrace")
    assert find_or_create_experiment(client, paths) == experiment
    assert make_view_tags().items() <= client.get_experiment(experiment).tags.items()


def test_damaged_file_is_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_text("this is no database, but long enough to be taken for one" * 10)
    with pytest.raises(TrackingError) as caught:
        connect(Paths(tmp_path))
    assert "mlflow.db" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_deleted_experiment_is_refused_with_its_remedies(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths = Paths(tmp_path)
    client = connect(paths)
    client.delete_experiment(find_or_create_experiment(client, paths))
    with pytest.raises(TrackingError, match=r"mlflow experiments restore .* MLFLOW_EXPERIMENT_NAME=NAME$"):
        find_or_create_experiment(client, paths)


def test_advice_fits_the_error(tmp_path, monkeypatch):
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE, UNAUTHENTICATED

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    advice = {
        TEMPORARILY_UNAVAILABLE: "; start that server, or unset the variable",
        UNAUTHENTICATED: "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
        INVALID_PARAMETER_VALUE: "; correct what it names",
    }
    for code, text in advice.items():
        with pytest.raises(TrackingError) as caught, translate_mlflow_errors(Paths(tmp_path)):
            raise MlflowException("no", code)
        assert str(caught.value).endswith(text)
        assert is_denied(caught.value.__cause__) == (code == UNAUTHENTICATED)
        assert is_permanent(caught.value.__cause__) == (code == INVALID_PARAMETER_VALUE)


def test_errors_name_the_server_without_its_password(tmp_path, monkeypatch):
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example/x")
    with pytest.raises(TrackingError) as caught, translate_mlflow_errors(Paths(tmp_path)):
        raise MlflowException("no\nsuch  thing")
    assert str(caught.value).startswith("MLFLOW_TRACKING_URI: https://mlflow.example/x: no such thing; ")
