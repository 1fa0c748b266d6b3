"""`dvc exp run --temp` works in a copy that DVC removes: the registry is the project's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.stages import test
from headrace.storage.atomic import write_json
from headrace.tracking.client import connect
from tests.projects import calibrate

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DVC_YAML = """
stages:
  register:
    cmd: python -m headrace register
    deps: [models]
    params: [register]
    outs: [registered.json]
    metrics: [metrics/register.json]
"""


@pytest.fixture
def committed(trained, monkeypatch):
    """A trained project whose files are in git, in the state before `register`."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    calibrate(trained)
    write_json(trained.metrics_path("test"), test.run(test.Config(), trained))
    trained.params_path.write_text("register: {name: shapes}\n")
    (trained.root / "dvc.yaml").write_text(DVC_YAML)
    (trained.root / ".gitignore").write_text("/mlflow.db*\n/mlartifacts\n/.headrace\n")
    call(trained.root, "git", "init", "-q")
    call(trained.root, "dvc", "init", "-q")
    call(trained.root, "git", "add", "-A")
    call(trained.root, "git", "commit", "-qm", "a project")
    return trained


def call(folder, *command):
    identity = {f"GIT_{role}_{key}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    environment = {**os.environ, **identity, "PATH": f"{BIN}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    environment["PYTHONPATH"] = str(ROOT / "pipeline")
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_experiment_in_a_copy_registers_in_the_projects_own_registry(committed):
    call(committed.root, "dvc", "exp", "run", "--temp")
    assert not list(committed.root.glob(".dvc/tmp/exps/standalone/*/mlflow.db"))
    client = connect(committed)
    champion = client.get_model_version_by_alias("shapes", "champion")
    location = Path(champion.source.removeprefix("file://"))
    assert location.is_relative_to(committed.root / "mlartifacts")
    assert (location / "MLmodel").is_file()
    call(committed.root, "headrace", "sync")
    assert client.get_run(champion.run_id).data.metrics["register/version"] == 1
