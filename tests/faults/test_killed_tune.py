"""A search under Ray Tune that is killed: the same command again does not repeat finished trials."""

import json
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

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
tune:
  num_trials: 4
  max_epochs: 4
  space:
    learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
    early_stopping.patience: {choices: [3, 4, 5]}
train:
  model: {name: cnn, blocks: [8, pool], dense: [16], dropout: 0.2}
  batch_size: 20
"""
pytestmark = [pytest.mark.faults, pytest.mark.ray, pytest.mark.slow]


def start(paths):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline")}
    with (paths.root / "tune.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "headrace", "tune"], cwd=paths.root, env=environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def list_ended(paths):
    """Returns the indices of the trials that the log reports."""
    return [int(index) for index in re.findall(r"^trial (\d+) of 4: val_loss", read_log(paths), flags=re.MULTILINE)]


def read_log(paths):
    return (paths.root / "tune.log").read_text()


def test_killed_search_does_not_repeat_finished_trials(trained_root, tmp_path):
    paths = Paths(tmp_path / "project")
    shutil.copytree(trained_root / "data", paths.root / "data")
    paths.params_path.write_text(SETTINGS)
    killed = start(paths)
    for _ in range(3000):
        if list_ended(paths):
            break
        assert killed.poll() is None, read_log(paths)[-2000:]
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait(60)
    assert not paths.tune_path.exists()
    finished = {
        int(path.stem): json.loads(path.read_bytes())["trial"] for path in paths.state_dir.rglob("trials/*.json")
    }
    assert 1 <= len(finished) < 4
    assert set(list_ended(paths)) <= set(finished)

    resumed = start(paths)
    assert resumed.wait(300) == 0, read_log(paths)[-2000:]
    assert sorted(list_ended(paths)) == sorted(set(range(4)) - set(finished)), "only the others are run"
    report = json.loads(paths.tune_path.read_bytes())
    assert len(report["trials"]) == 4
    for index, trial in finished.items():
        assert report["trials"][index] == trial
    assert report["best_metrics"]["val_loss"] == min(trial["metrics"]["val_loss"] for trial in report["trials"])
    assert "Traceback" not in read_log(paths)


def test_interrupted_search_is_not_taken_for_a_complete_one(trained_root, tmp_path):
    paths = Paths(tmp_path / "project")
    shutil.copytree(trained_root / "data", paths.root / "data")
    paths.params_path.write_text(SETTINGS)
    process = start(paths)
    while not list_ended(paths):
        assert process.poll() is None, read_log(paths)[-2000:]
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(120) == 130, read_log(paths)[-2000:]
    assert not paths.tune_path.exists()
    assert read_log(paths).splitlines()[-1] == "headrace: interrupted"
    assert "Traceback" not in read_log(paths)
