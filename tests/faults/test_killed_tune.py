"""A search under Ray Tune, killed without warning: the same command again keeps the trials that had ended."""

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


def ended(paths):
    """Places of the trials that the log tells of."""
    return [int(place) for place in re.findall(r"^trial (\d+) of 4: val_loss", log_of(paths), flags=re.MULTILINE)]


def log_of(paths):
    return (paths.root / "tune.log").read_text()


def test_search_killed_and_run_again_keeps_its_trials(trained_root, tmp_path):
    paths = Paths(tmp_path / "project")
    shutil.copytree(trained_root / "data", paths.root / "data")
    paths.params_path.write_text(SETTINGS)
    killed = start(paths)
    for _ in range(3000):
        if ended(paths):
            break
        assert killed.poll() is None, log_of(paths)[-2000:]
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait(60)
    assert not paths.tune_path.exists()
    kept = {int(path.stem): json.loads(path.read_bytes())["trial"] for path in paths.state_dir.rglob("trials/*.json")}
    assert 1 <= len(kept) < 4
    assert set(ended(paths)) <= set(kept)

    again = start(paths)
    assert again.wait(300) == 0, log_of(paths)[-2000:]
    assert sorted(ended(paths)) == sorted(set(range(4)) - set(kept)), "the others alone are run"
    found = json.loads(paths.tune_path.read_bytes())
    assert len(found["trials"]) == 4
    for place, trial in kept.items():
        assert found["trials"][place] == trial
    assert found["best_metrics"]["val_loss"] == min(trial["metrics"]["val_loss"] for trial in found["trials"])
    assert "Traceback" not in log_of(paths)
