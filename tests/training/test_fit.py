"""The worker loop in the calling process: it learns, repeats itself bit for bit, and goes on after a kill."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.contracts import Json
from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.training import fit as fit_module
from headrace.training.callbacks.checkpoints import ResumeState
from headrace.training.fit import RESULT, FitJob, WorkerContext, fit, read_result
from headrace.training.reporting.events import Event

SETTINGS = {
    "model": {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16], "dropout": 0.1},
    "max_epochs": 4,
    "batch_size": 48,
    "learning_rate": 1e-2,
    "augmentation": [{"name": "HorizontalFlip", "p": 0.5}],
    "num_workers": 0,
}
KILLED = """
import json, sys
from headrace.training.fit import FitJob, WorkerContext, fit
folder, work_dir, settings = sys.argv[1:]
def tell(event):
    if event["kind"] == "epoch":
        print(event["epoch"], flush=True)
        if event["epoch"] == 2:
            sys.stdin.readline()
fit(FitJob(folder, work_dir, json.loads(settings)), tell, WorkerContext(num_threads=1))
"""


class KilledError(Exception):
    """Stands for a kill."""


def train(paths: Paths, name: str, observer: Callable[[Event], None] = lambda _: None, **settings: Any) -> Path:
    work_dir = paths.root / name
    work_dir.mkdir(exist_ok=True)
    fit(FitJob(str(paths.normalized_dir), str(work_dir), SETTINGS | settings), observer, WorkerContext(num_threads=1))
    return work_dir


def result(work_dir: Path) -> Json:
    found = read_result(work_dir)
    assert found is not None
    return found


def same(work_dir: Path, other_dir: Path) -> bool:
    """Weights bit for bit, and every figure but times."""
    first, second = result(work_dir), result(other_dir)
    for found in (first, second):
        del found["fit_seconds"]
        for epoch in found["history"]:
            del epoch["samples_per_second"]
    return bool(first == second and (work_dir / WEIGHTS).read_bytes() == (other_dir / WEIGHTS).read_bytes())


def killing(at_epoch: int) -> Callable[[Event], None]:
    def observe(event: Event) -> None:
        if event["kind"] == "epoch" and event["epoch"] == at_epoch:
            raise KilledError

    return observe


def test_fit_learns_and_tells_each_epoch(trained: Paths) -> None:
    told: list[Event] = []
    work_dir = train(trained, "a", told.append, max_epochs=12, augmentation=[])
    found = result(work_dir)
    epochs = [
        {key: value for key, value in event.items() if key != "kind"} for event in told if event["kind"] == "epoch"
    ]
    assert found["history"] == epochs
    assert [epoch["epoch"] for epoch in epochs] == list(range(12))
    assert [epoch["step"] for epoch in epochs] == [11 * (epoch + 1) for epoch in range(12)]
    assert (found["epochs"], found["steps"]) == (12, 132)
    assert epochs[0]["val_accuracy"] < epochs[-1]["val_accuracy"]
    assert epochs[-1]["val_accuracy"] > 0.9
    assert found["best_epoch"] == min(range(12), key=lambda epoch: epochs[epoch]["val_loss"])
    assert found["val_loss"] == pytest.approx(epochs[found["best_epoch"]]["val_loss"], rel=1e-6)
    assert found["parameters"] == 1 * 8 * 9 + 8 + 8 * 16 * 9 + 16 + 16 * 4 * 16 + 16 + 16 * 3 + 3


def test_fit_keeps_the_weights_of_the_best_epoch(trained: Paths) -> None:
    import torch
    from safetensors.torch import load_file

    from headrace.contracts import Spec
    from headrace.models.network import build_network

    work_dir = train(trained, "a", max_epochs=3)
    transform = json.loads((trained.normalized_dir / "transform.json").read_text())
    network = build_network(dict(SETTINGS)["model"], Spec.read(trained.normalized_dir), transform).eval()
    network.load_state_dict(load_file(work_dir / WEIGHTS))
    inputs = torch.from_numpy(np.load(trained.normalized_dir / "val" / "inputs.npy"))
    targets = torch.from_numpy(np.load(trained.normalized_dir / "val" / "targets.npy"))
    with torch.inference_mode():
        loss = torch.nn.functional.cross_entropy(network(inputs), targets)
    assert float(loss) == pytest.approx(result(work_dir)["val_loss"], rel=1e-4)


def test_fit_twice_gives_the_same_weights_bit_for_bit(trained: Paths) -> None:
    assert same(train(trained, "a"), train(trained, "b"))


@pytest.mark.parametrize("setting", [{"seed": 1}, {"augmentation": []}, {"label_smoothing": 0.1}, {"batch_size": 50}])
def test_fit_of_another_setting_gives_other_weights(trained: Paths, setting: Json) -> None:
    first, second = train(trained, "a", max_epochs=1), train(trained, "b", **{"max_epochs": 1} | setting)
    assert (first / WEIGHTS).read_bytes() != (second / WEIGHTS).read_bytes()


@pytest.mark.parametrize("at_epoch", [0, 2, 3])
def test_fit_interrupted_at_an_epoch_goes_on_to_the_same_weights(trained: Paths, at_epoch: int) -> None:
    whole = train(trained, "whole")
    with pytest.raises(KilledError):
        train(trained, "killed", killing(at_epoch))
    assert read_result(trained.root / "killed") is None
    told: list[int] = []
    work_dir = train(trained, "killed", lambda event: told.append(event["epoch"]) if event["kind"] == "epoch" else None)
    assert told == list(range(at_epoch, 4))  # the epoch whose state was not yet kept is trained again
    assert same(whole, work_dir)


def test_fit_interrupted_many_times_goes_on_to_the_same_weights(trained: Paths) -> None:
    whole = train(trained, "whole", optimizer="sgd", schedule="cosine")
    for at_epoch in (1, 1, 2, 3):
        with pytest.raises(KilledError):
            train(trained, "killed", killing(at_epoch), optimizer="sgd", schedule="cosine")
    assert same(whole, train(trained, "killed", optimizer="sgd", schedule="cosine"))


@pytest.mark.slow
def test_fit_killed_for_real_goes_on_to_the_same_weights(trained: Paths) -> None:
    whole, work_dir = train(trained, "whole"), trained.root / "killed"
    work_dir.mkdir()
    command = [sys.executable, "-c", KILLED, str(trained.normalized_dir), str(work_dir), json.dumps(SETTINGS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert (work_dir / ResumeState.NAME).is_file()
    assert not (work_dir / RESULT).exists()
    assert same(whole, train(trained, "killed"))


def test_fit_killed_after_its_last_epoch_only_writes_the_result(trained: Paths) -> None:
    whole = train(trained, "whole")
    work_dir = train(trained, "killed")
    (work_dir / RESULT).unlink()
    assert same(whole, train(trained, "killed", killing(3)))


def test_fit_stops_early_and_stays_so_after_a_kill(trained: Paths) -> None:
    stopping = {"max_epochs": 60, "early_stopping": {"patience": 1}, "schedule": "constant"}
    whole = train(trained, "whole", **stopping)
    found = result(whole)
    assert found["epochs"] == found["best_epoch"] + 2 < 60
    assert found["ended_by"] == "early_stopping.patience"
    work_dir = train(trained, "killed", **stopping)
    (work_dir / RESULT).unlink()
    assert same(whole, train(trained, "killed", **stopping))


def test_fit_interrupted_while_it_waits_stops_as_early(trained: Paths) -> None:
    stopping = {"max_epochs": 60, "early_stopping": {"patience": 3, "min_delta": 0.5}, "schedule": "constant"}
    whole = train(trained, "whole", **stopping)
    num_epochs = result(whole)["epochs"]
    assert 4 < num_epochs < 60
    with pytest.raises(KilledError):
        train(trained, "killed", killing(num_epochs - 1), **stopping)
    assert same(whole, train(trained, "killed", **stopping))


def test_fit_with_a_patience_of_0_never_stops_early(trained: Paths) -> None:
    work_dir = train(trained, "a", learning_rate=1e-9, max_epochs=9, early_stopping={"patience": 0})
    assert result(work_dir)["epochs"] == 9
    assert result(work_dir)["ended_by"] == "max_epochs"


def test_fit_in_bf16_learns_and_keeps_float32_weights(trained: Paths) -> None:
    from safetensors.torch import load_file

    work_dir = train(trained, "a", precision="bf16", max_epochs=12, augmentation=[])
    assert result(work_dir)["history"][-1]["val_accuracy"] > 0.9
    assert {str(tensor.dtype) for tensor in load_file(work_dir / WEIGHTS).values()} == {"torch.float32"}
    assert (work_dir / WEIGHTS).read_bytes() != (
        train(trained, "b", max_epochs=12, augmentation=[]) / WEIGHTS
    ).read_bytes()


def test_fit_with_a_clipped_gradient_runs(trained: Paths) -> None:
    clipped, free = train(trained, "a", gradient_clip=1e-3, max_epochs=1), train(trained, "b", max_epochs=1)
    assert (clipped / WEIGHTS).read_bytes() != (free / WEIGHTS).read_bytes()


def test_fit_that_diverges_is_told_as_a_setting(trained: Paths) -> None:
    with pytest.raises(ConfigError, match=r"^params\.yaml: train\.learning_rate: 1e\+30 drove .* in epoch 1; lower it"):
        train(trained, "a", learning_rate=1e30, optimizer="sgd", schedule="constant")
    assert read_result(trained.root / "a") is None


def test_fit_tells_nothing_but_from_rank_0(trained: Paths) -> None:
    (trained.root / "a").mkdir()
    told: list[Event] = []
    job = FitJob(str(trained.normalized_dir), str(trained.root / "a"), SETTINGS | {"max_epochs": 1})
    fit(job, told.append, WorkerContext(rank=1, num_workers=2, num_threads=1))
    assert told == []
    assert read_result(trained.root / "a") is None


def test_fit_takes_every_core_unless_told(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    before = torch.get_num_threads()
    monkeypatch.setattr(fit_module.os, "cpu_count", lambda: 3)
    try:
        (trained.root / "a").mkdir()
        fit(FitJob(str(trained.normalized_dir), str(trained.root / "a"), SETTINGS | {"max_epochs": 1}), lambda _: None)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_read_result_of_an_unfinished_training_is_none(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
