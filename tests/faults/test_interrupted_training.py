"""Ctrl-C in a training, and a resume state that is damaged afterwards: one line each, and the same weights."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.training.callbacks.checkpoints import ResumeState

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
train:
  model: {name: cnn, blocks: [8, pool], dense: [16], dropout: 0.2}
  max_epochs: 12
  batch_size: 20
  learning_rate: 0.01
  num_threads: 1
  precision: "32"
  memory_format: contiguous
  early_stopping: {patience: 0}
"""
pytestmark = [pytest.mark.faults, pytest.mark.slow]


def start(paths):
    """Starts a training as the leader of a process group, like a command that is typed into a terminal."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "headrace", "train"]
    with (paths.root / "train.log").open("w") as log:
        return subprocess.Popen(
            command, cwd=paths.root, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def read_log(paths):
    return (paths.root / "train.log").read_text()


def interrupt(paths):
    """Sends Ctrl-C to the processes of a training after three epochs."""
    process = start(paths)
    while "epoch 3/12" not in read_log(paths):
        assert process.poll() is None, read_log(paths)[-2000:]
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130, read_log(paths)[-2000:]


def finish(paths):
    assert start(paths).wait(300) == 0, read_log(paths)[-2000:]
    return (paths.trained_dir / WEIGHTS).read_bytes()


def make_project(trained_root, folder, num_workers):
    paths = Paths(folder)
    shutil.copytree(trained_root / "data", paths.root / "data")
    paths.params_path.write_text(f"{SETTINGS}  num_workers: {num_workers}\n")
    return paths


@pytest.fixture(scope="module")
def weights(trained_root, tmp_path_factory):
    """The weights of a training in the calling process that nothing interrupts."""
    return finish(make_project(trained_root, tmp_path_factory.mktemp("whole") / "project", 0))


@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.ray)])
def test_interrupted_training_says_where_it_goes_on_and_goes_on_there(trained_root, tmp_path, num_workers):
    paths = make_project(trained_root, tmp_path / "project", num_workers)
    interrupt(paths)
    last = read_log(paths).splitlines()[-1]
    match = re.fullmatch(r"headrace: interrupted; the same command goes on from epoch (\d+) of 12", last)
    assert match, last
    assert "Traceback" not in read_log(paths)
    finish(paths)
    num_done = int(match[1]) - 1
    assert f"resumed after epoch {num_done} of 12, step " in read_log(paths)
    assert f"epoch {num_done}/12" not in read_log(paths)
    assert f"epoch {num_done + 1}/12" in read_log(paths)


DAMAGES = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "changed": lambda data: data[: len(data) // 2] + bytes(64) + data[len(data) // 2 + 64 :],
    "something else": lambda data: b"not a checkpoint",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_resume_state_is_set_aside(trained_root, tmp_path, weights, damage):
    paths = make_project(trained_root, tmp_path / "project", 0)
    interrupt(paths)
    (state,) = paths.state_dir.glob(f"train/*/{ResumeState.NAME}")
    state.write_bytes(DAMAGES[damage](state.read_bytes()))
    assert finish(paths) == weights
    (line,) = [line for line in read_log(paths).splitlines() if line.startswith("headrace: ")]
    place = re.escape(str(state.relative_to(paths.root)))
    assert re.fullmatch(
        rf"headrace: {place}: not readable \(.+\), now resume\.damaged; the training starts from the beginning", line
    ), line
    assert "epoch 1/12" in read_log(paths)
