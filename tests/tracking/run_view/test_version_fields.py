"""A version shows all settings, and those in which it differs from the version before it."""

from pathlib import Path

import pytest

from headrace.paths import Paths
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.run_view.version_fields import collect_params, describe_changes


def test_changes_since_the_version_before(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    given = "quantize: {max_loss: 0.02}\nregister: {name: shapes}\n"
    trained.params_path.write_text(f"{given}train: {{learning_rate: auto}}\n")
    params = collect_params(trained, {"learning_rate": 0.5})
    assert params == {"quantize.max_loss": "0.02", "register.name": "shapes", "learning_rate": "0.5"}
    client = connect(trained)
    experiment = find_or_create_experiment(client, trained)
    before = client.create_logged_model(experiment, params=params)
    assert describe_changes(client, before.model_id, params) == {}
    trained.params_path.write_text(given.replace("0.02", "0.05"))
    later = collect_params(trained, {"learning_rate": 0.5})
    assert describe_changes(client, before.model_id, later) == {"changed": "quantize.max_loss=0.05"}
    for unknown in ("", "m-" + "0" * 32, client.create_logged_model(experiment).model_id):
        assert describe_changes(client, unknown, later) == {}, "no such model, or one of an earlier release"


def test_project_without_settings_has_those_of_its_training(tmp_path: Path) -> None:
    assert collect_params(Paths(tmp_path), {"batch_size": 8}) == {"batch_size": "8"}
