"""Short trainings in this process, their interruption, and the comparison of their results."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from headrace.contracts import Json, Spec
from headrace.models.network import build_network
from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.training.fit import FitJob, WorkerContext, fit, read_result
from headrace.training.reporting.events import Event
from headrace.training.settings import ResolvedTrainSettings

SETTINGS: Json = {
    "model": {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16]},
    "max_epochs": 4,
    "batch_size": 48,
    "learning_rate": 1e-2,
    "early_stopping": {"patience": 0},
    "num_workers": 0,
    "checkpoint": {"every_steps": 1},
}
RESNET = {"name": "resnet", "width": 8, "num_stages": 2, "depth": 1, "dropout": 0.2}
PROGRAM = """
import json, sys
from headrace.training.fit import FitJob, WorkerContext, fit
folder, work_dir, settings, last_epoch = sys.argv[1:]
def observe(event):
    if event["kind"] == "epoch":
        print(event["epoch"], flush=True)
        if event["epoch"] == int(last_epoch):
            sys.stdin.readline()
job = {"normalized_dir": folder, "work_dir": work_dir, "settings": json.loads(settings)}
fit(FitJob.from_json(job), observe, WorkerContext(num_threads=1))
"""


class InterruptedTrainingError(Exception):
    """Ends a training as Ctrl-C would."""


def interrupt_in(epoch: int) -> Callable[[Event], None]:
    """Returns an observer that interrupts the training when that epoch ends, before its state is saved."""

    def observe(event: Event) -> None:
        if event["kind"] == "epoch" and event["epoch"] == epoch:
            raise InterruptedTrainingError

    return observe


def train(paths: Paths, name: str, observer: Callable[[Event], None] = lambda _: None, **settings: Any) -> Path:
    """Trains in the folder `name` of the project, or resumes there, and returns that folder."""
    work_dir = paths.root / name
    work_dir.mkdir(exist_ok=True)
    job = FitJob(paths.normalized_dir, work_dir, ResolvedTrainSettings(**SETTINGS | settings))
    fit(job, observer, WorkerContext(num_threads=1))
    return work_dir


def train_and_kill(paths: Paths, name: str, last_epoch: int, **settings: Any) -> Path:
    """Trains in another process, which is killed when that epoch ends, before its state is saved."""
    work_dir = paths.root / name
    work_dir.mkdir()
    arguments = [str(paths.normalized_dir), str(work_dir), json.dumps(SETTINGS | settings), str(last_epoch)]
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(last_epoch + 1)] == [f"{n}\n" for n in range(last_epoch + 1)]
        process.kill()
    assert process.returncode == -signal.SIGKILL
    return work_dir


def load_result(work_dir: Path) -> Json:
    """Returns `fit.json` of a finished training."""
    result = read_result(work_dir)
    assert result is not None
    return result


def load_weights(work_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(work_dir / WEIGHTS)


def is_same(work_dir: Path, other_dir: Path) -> bool:
    """Returns whether the weights are equal bit for bit, and all results except durations."""
    results = [load_result(folder) for folder in (work_dir, other_dir)]
    for result in results:
        del result["fit_seconds"]
        for epoch in result["history"]:
            del epoch["samples_per_second"]
    return results[0] == results[1] and (work_dir / WEIGHTS).read_bytes() == (other_dir / WEIGHTS).read_bytes()


def is_close(work_dir: Path, other_dir: Path, tolerance: float) -> bool:
    """Returns whether all weights are equal up to a tolerance."""
    pairs = zip(load_weights(work_dir).values(), load_weights(other_dir).values(), strict=True)
    return all(torch.allclose(first, second, atol=tolerance, rtol=tolerance) for first, second in pairs)


def compute_val_loss(paths: Paths, work_dir: Path) -> float:
    """Returns the validation loss of the saved weights of a network with the model of SETTINGS."""
    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    network = build_network(SETTINGS["model"], Spec.read(paths.normalized_dir), transform).eval()
    network.load_state_dict(load_weights(work_dir))
    inputs, targets = (
        torch.from_numpy(np.load(paths.normalized_dir / "val" / f"{name}.npy")) for name in ("inputs", "targets")
    )
    with torch.inference_mode():
        return float(torch.nn.functional.cross_entropy(network(inputs), targets))
