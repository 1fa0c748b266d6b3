"""Trainings that are killed at a rank and step, in a write, a validation, an export: the same weights in the end."""

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

from headrace.cluster.session import ray_session
from headrace.cluster.training import fit_on_workers
from headrace.errors import ClusterError
from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.launch import wait_until_sent
from headrace.training.fit import FitJob
from headrace.training.reporting.history import read_history
from headrace.training.resume.checkpoint_store import STATE, find_checkpoint
from headrace.training.settings import ResolvedTrainSettings
from tests.training.short_fit import is_same

ROOT = Path(__file__).resolve().parents[2]
NUM_EPOCHS, STEPS_PER_EPOCH = 8, 25
SETTINGS = """
train:
  model: {{name: "killing_nets:Killing"}}
  max_epochs: 8
  batch_size: 20
  num_workers: {num_workers}
  num_threads: 1
  strategy: {strategy}
  mixup: 0.2
  ema: {ema}
  early_stopping: {{patience: 0}}
  checkpoint: {{every_steps: 3, keep: 3}}
"""
pytestmark = [pytest.mark.faults, pytest.mark.slow]


class Project:
    """A project whose training can be killed; counts what was repeated."""

    def __init__(self, trained_root, folder, num_workers, strategy="ddp"):
        self.paths = Paths(folder)
        shutil.copytree(trained_root / "data", folder / "data")
        shutil.copy(Path(__file__).with_name("killing_nets.py"), folder)
        ema = 0.9 if strategy == "ddp" else 0
        self.paths.params_path.write_text(SETTINGS.format(num_workers=num_workers, strategy=strategy, ema=ema))
        self.log_path = folder / "train.log"

    def start(self):
        environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline")}
        environment.pop("MLFLOW_TRACKING_URI", None)
        command = [sys.executable, "-m", "headrace", "train"]
        with self.log_path.open("w") as log:
            return subprocess.Popen(
                command, cwd=self.paths.root, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def log(self):
        return self.log_path.read_text()

    def end(self, process, code):
        assert process.wait(300) == code, self.log[-2000:]
        assert "Traceback" not in self.log
        return self.log

    def die(self, when, batch, rank=0, code=-signal.SIGKILL):
        """Trains until the process of a rank kills itself."""
        order = self.paths.root / "kill.json"
        order.write_text(json.dumps({"when": when, "rank": rank, "batch": batch}))
        log = self.end(self.start(), code)
        assert not order.exists()
        assert not self.paths.trained_dir.exists()
        return log

    def signal(self, number, code, in_epoch):
        """Trains, signals it after an epoch (Ctrl-C goes to all processes of a terminal), and returns the last line."""
        process = self.start()
        self.wait_for(process, lambda: f"epoch {in_epoch}/{NUM_EPOCHS}" in self.log)
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        self.end(process, code)
        return self.log.splitlines()[-1]

    def wait_for(self, process, condition):
        while not condition():
            assert process.poll() is None, self.log[-2000:]
            time.sleep(0.0005)

    def states(self):
        return sorted(self.paths.state_dir.glob("train/*/checkpoints/step-*"), reverse=True)

    def finish(self):
        self.end(self.start(), 0)
        return (self.paths.trained_dir / WEIGHTS).read_bytes()

    def resumed_step(self):
        """The step from which the training of the log went on."""
        (step,) = re.findall(r"^resumed (?:in epoch|after epoch) .*step (\d+)$", self.log, re.MULTILINE)
        return int(step)

    def history(self):
        epochs = read_history(self.paths.plots_dir("train") / "history.csv")
        return [{name: value for name, value in epoch.items() if name != "samples_per_second"} for epoch in epochs]


def assert_same(project, whole):
    """Compares weights, history, and what MLflow has, with those of a training that nothing disturbed."""
    assert (project.paths.trained_dir / WEIGHTS).read_bytes() == (whole.paths.trained_dir / WEIGHTS).read_bytes()
    assert project.history() == whole.history()
    assert len(project.history()) == NUM_EPOCHS
    wait_until_sent(project.paths)
    client = connect(project.paths)
    (run,) = client.search_runs([find_or_create_experiment(client, project.paths)])
    assert run.info.status == "FINISHED"
    recorded = client.get_metric_history(run.info.run_id, "fit/val_loss")
    assert [(metric.step, metric.value) for metric in recorded] == [
        (epoch["step"], epoch["val_loss"]) for epoch in whole.history()
    ]


def test_training_in_one_process_survives_every_kill(trained_root, tmp_path):
    whole, project = (Project(trained_root, tmp_path / name, num_workers=0) for name in ("whole", "killed"))
    whole.finish()
    project.die("train", batch=17)  # after 17 steps of epoch 1
    project.die("val", batch=1)  # between an epoch's last step and its state
    assert project.resumed_step() in (12, 15), "the newest multiple of 3, or the one before if that was in its write"

    process = project.start()  # in the write of a state, or right after it
    project.wait_for(process, lambda: project.states() and list(project.states()[0].parent.glob("writing-*")))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    last = project.signal(signal.SIGTERM, 143, in_epoch=3)
    match = re.fullmatch(r"headrace: terminated; the same command goes on (in epoch|after epoch) .*step (\d+)", last)
    assert match, last
    state = project.states()[0] / STATE  # that state is damaged, and the one before it used
    state.write_bytes(state.read_bytes()[:-8] + bytes(8))
    last = project.signal(signal.SIGINT, 130, in_epoch=5)
    assert re.fullmatch(r"headrace: interrupted; the same command goes on (in epoch|after epoch) .*step \d+", last), (
        last
    )
    (line,) = [line for line in project.log.splitlines() if " damaged (" in line]
    assert line.endswith(f"the training goes on from step {project.resumed_step()}")
    assert project.resumed_step() < int(match[2])

    project.die("export", batch=0)
    assert "epoch 8/8" in project.log
    project.finish()
    assert "epoch 8/8" not in project.log, "only the export was repeated"
    assert_same(project, whole)


@pytest.mark.ray
def test_training_on_two_workers_goes_on_at_the_same_step(trained_root, tmp_path):
    whole, project = (Project(trained_root, tmp_path / name, num_workers=2) for name in ("whole", "killed"))
    whole.finish()
    log = project.die("train", batch=41, rank=1, code=2)
    assert re.search(r"^headrace: ray: rank 1: a worker was lost", log, re.MULTILINE), log
    last = project.signal(signal.SIGINT, 130, in_epoch=3)
    assert project.resumed_step() in (36, 39), "the newest multiple of 3, or the one before if that was in its write"
    assert re.fullmatch(r"headrace: interrupted; the same command goes on .*step \d+", last), last
    process = project.start()
    project.wait_for(process, lambda: "epoch 6/8" in project.log)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    project.finish()
    assert_same(project, whole)
    while subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True).stdout:
        time.sleep(0.1)  # Ray's own processes end one after the other; the limit of the whole test ends this


@pytest.mark.ray
def test_state_of_every_rank_is_saved_within_an_epoch(trained, tmp_path, monkeypatch):
    """Statistics of normalization layers, sums and random generators differ by rank; in one Ray session."""
    shutil.copy(Path(__file__).with_name("killing_nets.py"), tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def train(name, strategy):
        work_dir = tmp_path / f"{name}-{strategy}"
        work_dir.mkdir(exist_ok=True)
        settings = ResolvedTrainSettings(
            model={"name": "killing_nets:Killing"}, max_epochs=3, batch_size=20, strategy=strategy, num_workers=2,
            ema=0.9 if strategy == "ddp" else 0.0, early_stopping={"patience": 0}, checkpoint={"every_steps": 3},
        )  # fmt: skip
        job = FitJob(trained.normalized_dir, work_dir, settings)
        fit_on_workers(job, lambda _: None, num_workers=2, num_threads=1, paths=trained)
        return work_dir

    with ray_session(trained, num_cpus_needed=2):
        for strategy in ("ddp", "fsdp"):
            whole = train("whole", strategy)
            Path("kill.json").write_text(json.dumps({"when": "train", "rank": 1, "batch": 41}))
            with pytest.raises(ClusterError, match="a worker was lost"):
                train("killed", strategy)
            assert find_checkpoint(tmp_path / f"killed-{strategy}").step in (36, 39)
            assert is_same(whole, train("killed", strategy))
