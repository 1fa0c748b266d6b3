"""A training that is killed, and whose model's code is then edited: it starts anew, and says so in one line."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.paths import Paths
from headrace.storage.bundle import read_bundle
from headrace.training.reporting.history import read_history

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
train:
  model: {name: "my_nets:Two"}
  max_epochs: 12
  batch_size: 10
  num_workers: 0
  early_stopping: {patience: 0}
"""
NETS = '''
class Two:
    """A model outside the package."""

    def build(self, input_shape, num_outputs):
        from torch import nn

        height, width, channels = input_shape
        layers = nn.Linear(height * width * channels, WIDTH), nn.Tanh(), nn.Linear(WIDTH, num_outputs)
        return nn.Sequential(nn.Flatten(), *layers)
'''
pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
def project(trained_root: Path, tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "project")
    shutil.copytree(trained_root / "data", paths.root / "data")
    shutil.copy(trained_root / "mlflow.db", paths.root)
    paths.params_path.write_text(SETTINGS)
    (paths.root / "my_nets.py").write_text(NETS.replace("WIDTH", "24"))
    return paths


def train(paths: Paths, *, kill_after: str = "") -> str:
    """Trains in a process, which is killed once it has printed `kill_after`; returns what it printed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    log_path = paths.root / "train.log"
    command = [sys.executable, "-m", "headrace", "train"]
    with log_path.open("w") as log:
        process = subprocess.Popen(
            command, cwd=paths.root, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    while kill_after and kill_after not in log_path.read_text():
        assert process.poll() is None, log_path.read_text()[-2000:]
        time.sleep(0.02)
    if kill_after:
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait(300)
    assert code == (-signal.SIGKILL if kill_after else 0), log_path.read_text()[-2000:]
    return log_path.read_text()


@pytest.mark.parametrize(
    ("edit", "is_resumed", "line"),
    [
        (NETS.replace("WIDTH", "24").replace("Tanh", "ReLU"), False, "code (my_nets)"),
        (NETS.replace("WIDTH", "24").replace("A model", "The model"), True, ""),
    ],
    ids=["same sizes", "docstring"],
)
def test_killed_training_resumes_only_under_the_same_code(
    project: Paths, edit: str, is_resumed: bool, line: str
) -> None:
    train(project, kill_after="epoch 2/12")
    (project.root / "my_nets.py").write_text(edit)
    log = train(project)
    assert ("epoch 1/12" not in log) == is_resumed
    said = [text for text in log.splitlines() if text.startswith("starts anew: ")]
    assert said == ([] if is_resumed else [f"starts anew: since the interrupted training, this changed: {line}"])
    assert "Traceback" not in log
    assert len(read_history(project.plots_dir("train") / "history.csv")) == 12
    assert list(read_bundle(project.trained_dir).card.lineage["model_code"]) == ["my_nets"]
    assert not list((project.state_dir / "train").iterdir())
