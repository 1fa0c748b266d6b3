"""Whole trainings with what regularises, balances, accumulates or ends them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from headrace.contracts import Json, Spec
from headrace.errors import ConfigError
from headrace.models.network import build_network
from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.training.fit import RESULT, FitJob, WorkerContext, fit, read_result

SETTINGS: Json = {
    "model": {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16]},
    "max_epochs": 4,
    "batch_size": 48,
    "learning_rate": 1e-2,
    "early_stopping": {"patience": 0},
    "num_workers": 0,
}
RESNET = {"name": "resnet", "width": 8, "num_stages": 2, "depth": 1, "dropout": 0.2}


class KilledError(Exception):
    """Stands for a kill."""


def train(paths: Paths, name: str, killed_at: int | None = None, **settings: Any) -> Path:
    work_dir = paths.root / name
    work_dir.mkdir(exist_ok=True)

    def observe(event: Json) -> None:
        if event["kind"] == "epoch" and event["epoch"] == killed_at:
            raise KilledError

    fit(FitJob(str(paths.normalized_dir), str(work_dir), SETTINGS | settings), observe, WorkerContext(num_threads=1))
    return work_dir


def result(work_dir: Path) -> Json:
    found = read_result(work_dir)
    assert found is not None
    return found


def figures(work_dir: Path) -> Json:
    """All that a training tells but its times."""
    found = result(work_dir)
    del found["fit_seconds"]
    for epoch in found["history"]:
        del epoch["samples_per_second"]
    return found


def same(first: Path, second: Path) -> bool:
    """Weights bit for bit, and every figure but times."""
    return figures(first) == figures(second) and (first / WEIGHTS).read_bytes() == (second / WEIGHTS).read_bytes()


def weights(work_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(work_dir / WEIGHTS)


def close(first: Path, second: Path, tolerance: float) -> bool:
    pairs = zip(weights(first).values(), weights(second).values(), strict=True)
    return all(torch.allclose(one, other, atol=tolerance, rtol=tolerance) for one, other in pairs)


@pytest.mark.parametrize("accumulate", [2, 5])
def test_accumulated_gradients_are_the_whole_batchs(trained: Paths, accumulate: int) -> None:
    settings = {"optimizer": "sgd", "l1": 1e-3, "max_epochs": 2, "gradient_clip": 0.5}
    whole, parted = train(trained, "a", **settings), train(trained, "b", accumulate=accumulate, **settings)
    assert result(whole)["steps"] == result(parted)["steps"] == 22
    assert close(whole, parted, 1e-4)
    for one, other in zip(result(whole)["history"], result(parted)["history"], strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)
        assert one["learning_rate"] == other["learning_rate"]


def test_l1_makes_weights_smaller_and_leaves_the_told_loss(trained: Paths) -> None:
    free, bound = train(trained, "a", l1=0.0), train(trained, "b", l1=0.02)
    sizes = [sum(float(v.abs().sum()) for k, v in weights(made).items() if "weight" in k) for made in (free, bound)]
    assert sizes[1] < 0.7 * sizes[0]
    assert result(bound)["history"][0]["train_loss"] < 3.0, "the penalty is no part of what is told"


def test_averaged_weights_are_what_is_validated_and_kept(trained: Paths) -> None:
    work_dir = train(trained, "a", ema=0.9, keep="last")
    transform = json.loads((trained.normalized_dir / "transform.json").read_text())
    network = build_network(SETTINGS["model"], Spec.read(trained.normalized_dir), transform).eval()
    network.load_state_dict(weights(work_dir))
    inputs, targets = (
        torch.from_numpy(np.load(trained.normalized_dir / "val" / f"{name}.npy")) for name in ("inputs", "targets")
    )
    with torch.inference_mode():
        loss = torch.nn.functional.cross_entropy(network(inputs), targets)
    assert float(loss) == pytest.approx(result(work_dir)["history"][-1]["val_loss"], rel=1e-4)
    plain = train(trained, "b", keep="last")
    assert not close(work_dir, plain, 1e-3)
    # the means have no part in the steps: what the steps themselves tell is the same
    losses = [[epoch["train_loss"] for epoch in result(made)["history"]] for made in (work_dir, plain)]
    assert losses[0] == losses[1]


def test_keep_last_keeps_the_last_epoch_and_knows_the_best(trained: Paths) -> None:
    targets = trained.normalized_dir / "train" / "targets.npy"
    np.save(targets, (np.load(targets) + 1) % 3)  # wrong ones: the more is learnt, the worse
    settings = {"schedule": "constant", "max_epochs": 3}
    last, best = train(trained, "a", keep="last", **settings), train(trained, "b", **settings)
    assert result(last)["kept_epoch"] == 2
    assert result(last)["best_epoch"] == result(best)["best_epoch"] == result(best)["kept_epoch"] < 2
    assert not close(last, best, 1e-6)


def test_a_limit_of_steps_ends_in_mid_epoch_with_a_validated_epoch(trained: Paths) -> None:
    stopping = {"early_stopping": {"patience": 0, "max_steps": 26}}
    work_dir = train(trained, "a", **stopping)
    found = result(work_dir)
    assert (found["steps"], found["epochs"], found["ended_by"]) == (26, 3, "early_stopping.max_steps")
    assert [epoch["step"] for epoch in found["history"]] == [11, 22, 26]
    assert found["kept_epoch"] == 2, "the cut epoch is the best one, and kept"
    assert found["history"][2]["learning_rate"] < 1e-4, "the schedule ends with the steps"
    before = (work_dir / WEIGHTS).read_bytes()
    (work_dir / RESULT).unlink()  # killed before it could tell: the same command again
    train(trained, "a", **stopping)
    assert result(work_dir)["steps"] == 26
    assert (work_dir / WEIGHTS).read_bytes() == before


def test_a_limit_of_time_ends_after_some_steps(trained: Paths) -> None:
    work_dir = train(trained, "a", early_stopping={"patience": 0, "max_minutes": 1e-6})
    found = result(work_dir)
    assert (found["steps"], found["epochs"], found["kept_epoch"]) == (1, 1, 0)
    assert found["ended_by"] == "early_stopping.max_minutes"
    (work_dir / RESULT).unlink()
    train(trained, "a", early_stopping={"patience": 0, "max_minutes": 1e-6})
    assert result(work_dir)["steps"] == 1, "the minutes before the kill count"


def test_gradient_checkpointing_gives_the_same_weights_bit_for_bit(trained: Paths) -> None:
    settings = {"model": RESNET, "max_epochs": 2}
    assert same(train(trained, "a", **settings), train(trained, "b", gradient_checkpointing=True, **settings))


def test_gradient_checkpointing_of_a_model_without_blocks_is_refused(trained: Paths) -> None:
    with pytest.raises(
        ConfigError, match=r"^params\.yaml: train\.gradient_checkpointing: true, and model 'cnn' has no"
    ):
        train(trained, "a", gradient_checkpointing=True)


def test_balanced_sampling_lifts_a_rare_class(trained: Paths) -> None:
    folder = trained.normalized_dir / "train"
    targets = np.load(folder / "targets.npy")
    kept = np.concatenate([np.flatnonzero(targets != 0), np.flatnonzero(targets == 0)[:4]])
    for name in ("inputs", "targets", "row_ids"):
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[kept])
    val = np.load(trained.normalized_dir / "val" / "targets.npy")
    accuracy = {}
    for sampling in ("shuffled", "balanced"):
        found = result(train(trained, sampling, sampling=sampling, max_epochs=3, learning_rate=3e-3))
        accuracy[sampling] = found["history"][-1]["val_accuracy"]
    assert accuracy["balanced"] > accuracy["shuffled"] + (val == 0).mean() / 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        {"ema": 0.95, "model": {**RESNET, "norm": "batch"}},
        {"schedule": {"name": "plateau", "patience": 1, "warmup": 0.1}, "learning_rate": 0.05},
        {"optimizer": "muon", "weight_decay": 0.01},
        {"accumulate": 3, "ema": 0.5},
        {"sampling": "balanced"},
        {"schedule": {"name": "step", "epochs": 2, "warmup": 0.2}, "optimizer": {"name": "sgd", "momentum": 0.5}},
        {"keep": "last", "l1": 1e-3, "learning_rate": 0.05, "schedule": "constant"},
        {"early_stopping": {"patience": 2, "max_steps": 60}},
        {"gradient_checkpointing": True, "model": RESNET},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_killed_trainings_go_on_to_the_same_weights(trained: Paths, setting: Json) -> None:
    whole = train(trained, "whole", max_epochs=6, **setting)
    for killed_at in (1, 3, 3, 5):
        with pytest.raises(KilledError):
            train(trained, "killed", killed_at, max_epochs=6, **setting)
    assert same(whole, train(trained, "killed", max_epochs=6, **setting))
