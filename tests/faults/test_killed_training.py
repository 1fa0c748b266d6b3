"""A training on Ray workers that is killed: the same command again ends with the same weights."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.launch import wait_until_sent
from headrace.training.reporting.history import read_history

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
train:
  model: {name: cnn, blocks: [8, pool], dense: [16], dropout: 0.2}
  max_epochs: 30
  batch_size: 20
  num_workers: 2
  augmentation: [{name: HorizontalFlip}, {name: Affine, rotate: [-9, 9]}]
  mixup: 0.2
  cutmix: 1.0
  early_stopping: {patience: 0}
"""
pytestmark = [pytest.mark.faults, pytest.mark.ray, pytest.mark.slow]


def start(paths):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "headrace", "train"]
    with (paths.root / "train.log").open("w") as log:
        return subprocess.Popen(
            command, cwd=paths.root, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def wait_for(process, paths, text):
    """Waits until the training has printed `text`; fails if it ends before."""
    for _ in range(3000):
        if text in (paths.root / "train.log").read_text():
            return
        assert process.poll() is None, (paths.root / "train.log").read_text()[-2000:]
        time.sleep(0.05)
    raise AssertionError(f"never printed {text!r}")


@pytest.fixture(params=["ddp", "fsdp"])
def project(trained_root, tmp_path, request):
    paths = Paths(tmp_path / "project")
    shutil.copytree(trained_root / "data", paths.root / "data")
    paths.params_path.write_text(f"{SETTINGS}  strategy: {request.param}\n")
    return paths


def test_killed_training_resumes_to_the_same_weights_and_history(project, tmp_path):
    reference = Paths(tmp_path / "reference")
    shutil.copytree(project.root, reference.root)
    uninterrupted = start(reference)
    assert uninterrupted.wait(300) == 0, (reference.root / "train.log").read_text()[-2000:]

    killed = start(project)
    wait_for(killed, project, "epoch 3/30")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait(60)
    assert not project.trained_dir.exists()

    resumed = start(project)
    assert resumed.wait(300) == 0, (project.root / "train.log").read_text()[-2000:]
    log = (project.root / "train.log").read_text()
    assert "epoch 1/30" not in log, "it resumed from its state"
    assert (project.trained_dir / WEIGHTS).read_bytes() == (reference.trained_dir / WEIGHTS).read_bytes()
    losses = [
        [epoch["val_loss"] for epoch in read_history(paths.plots_dir("train") / "history.csv")]
        for paths in (project, reference)
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 30
    wait_until_sent(project)
    client = connect(project)
    (run,) = client.search_runs([find_or_create_experiment(client, project)])
    assert run.info.status == "FINISHED"
    recorded = client.get_metric_history(run.info.run_id, "fit/val_loss")
    assert [metric.value for metric in recorded] == losses[0], "every epoch once, before and after the kill"


def test_terminated_training_ends_its_workers_and_its_run(project):
    process = start(project)
    wait_for(process, project, "epoch 2/30")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143, (project.root / "train.log").read_text()[-2000:]
    wait_until_sent(project)
    client = connect(project)
    (run,) = client.search_runs([find_or_create_experiment(client, project)])
    assert run.info.status == "KILLED"
    assert "Traceback" not in (project.root / "train.log").read_text()
    while subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True).stdout:
        time.sleep(0.1)  # Ray's own processes end one after the other; the limit of the whole test ends this
