from pathlib import Path

import numpy as np
import pytest
import torch

from headrace.contracts import Json
from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.training import fit as fit_module
from headrace.training.fit import RESULT, FitJob, WorkerContext, fit, read_result
from headrace.training.reporting.events import Event
from headrace.training.resume.checkpoint_store import list_checkpoints
from headrace.training.settings import ResolvedTrainSettings
from tests.training.short_fit import (
    RESNET,
    SETTINGS,
    InterruptedTrainingError,
    compute_val_loss,
    interrupt_in,
    is_same,
    load_result,
    load_weights,
    train,
    train_and_kill,
)

RANDOM: Json = {
    "model": {**SETTINGS["model"], "dropout": 0.1},
    "augmentation": [{"name": "HorizontalFlip", "p": 0.5}],
}
"""Settings that need every random number to be repeated."""


def test_fit_learns_and_reports_each_epoch(trained: Paths) -> None:
    events: list[Event] = []
    result = load_result(train(trained, "a", events.append, max_epochs=12))
    epochs = [{key: event[key] for key in event if key != "kind"} for event in events if event["kind"] == "epoch"]
    assert result["history"] == epochs
    assert [epoch["epoch"] for epoch in epochs] == list(range(12))
    assert [epoch["step"] for epoch in epochs] == [11 * (epoch + 1) for epoch in range(12)]
    assert (result["epochs"], result["steps"]) == (12, 132)
    assert epochs[0]["val_accuracy"] < epochs[-1]["val_accuracy"]
    assert epochs[-1]["val_accuracy"] > 0.9
    assert result["best_epoch"] == min(range(12), key=lambda epoch: epochs[epoch]["val_loss"])
    assert result["val_loss"] == pytest.approx(epochs[result["best_epoch"]]["val_loss"], rel=1e-6)
    assert result["parameters"] == 1 * 8 * 9 + 8 + 8 * 16 * 9 + 16 + 16 * 4 * 16 + 16 + 16 * 3 + 3


def test_fit_saves_the_weights_of_the_best_epoch(trained: Paths) -> None:
    work_dir = train(trained, "a", max_epochs=3)
    assert compute_val_loss(trained, work_dir) == pytest.approx(load_result(work_dir)["val_loss"], rel=1e-4)


def test_fit_with_keep_last_saves_the_last_epoch(trained: Paths) -> None:
    targets_path = trained.normalized_dir / "train" / "targets.npy"
    np.save(targets_path, (np.load(targets_path) + 1) % 3)  # wrong labels: the validation loss increases
    last, best = (train(trained, keep, keep=keep, schedule="constant", max_epochs=3) for keep in ("last", "best"))
    results = load_result(last), load_result(best)
    assert results[0]["kept_epoch"] == 2
    assert results[0]["best_epoch"] == results[1]["best_epoch"] == results[1]["kept_epoch"] < 2
    assert compute_val_loss(trained, last) == pytest.approx(results[0]["history"][2]["val_loss"], rel=1e-4)


def test_fit_twice_gives_the_same_weights(trained: Paths) -> None:
    assert is_same(train(trained, "a", **RANDOM), train(trained, "b", **RANDOM))


@pytest.mark.parametrize("setting", [{"seed": 1}, {"augmentation": []}, {"label_smoothing": 0.1}, {"batch_size": 50}])
def test_fit_with_another_setting_gives_other_weights(trained: Paths, setting: Json) -> None:
    settings = {**RANDOM, "max_epochs": 1}
    first, second = train(trained, "a", **settings), train(trained, "b", **settings | setting)
    assert (first / WEIGHTS).read_bytes() != (second / WEIGHTS).read_bytes()


@pytest.mark.parametrize("epoch", [0, 2, 3])
def test_interrupted_fit_resumes_to_the_same_weights(trained: Paths, epoch: int) -> None:
    with pytest.raises(InterruptedTrainingError):
        train(trained, "interrupted", interrupt_in(epoch), **RANDOM)
    assert read_result(trained.root / "interrupted") is None
    events: list[Event] = []
    work_dir = train(trained, "interrupted", events.append, **RANDOM)
    epochs = [event["epoch"] for event in events if event["kind"] == "epoch"]
    assert epochs == list(range(epoch, 4)), "the epoch whose state was not saved is repeated"
    assert is_same(train(trained, "uninterrupted", **RANDOM), work_dir)


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
        {"optimizer": "sgd", "schedule": "cosine"},
        {"keep": "last", "l1": 1e-3, "learning_rate": 0.05, "schedule": "constant"},
        {"early_stopping": {"patience": 2, "max_steps": 60}},
        {"gradient_checkpointing": True, "model": RESNET},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_fit_interrupted_several_times_resumes_to_the_same_weights(trained: Paths, setting: Json) -> None:
    for epoch in (1, 3, 3, 5):
        with pytest.raises(InterruptedTrainingError):
            train(trained, "interrupted", interrupt_in(epoch), max_epochs=6, **setting)
    resumed = train(trained, "interrupted", max_epochs=6, **setting)
    assert is_same(train(trained, "uninterrupted", max_epochs=6, **setting), resumed)


@pytest.mark.slow
def test_killed_fit_resumes_to_the_same_weights(trained: Paths) -> None:
    work_dir = train_and_kill(trained, "killed", 2, **RANDOM)
    assert list_checkpoints(work_dir)
    assert not (work_dir / RESULT).exists()
    assert is_same(train(trained, "uninterrupted", **RANDOM), train(trained, "killed", **RANDOM))


def test_fit_killed_after_its_last_epoch_only_writes_the_result(trained: Paths) -> None:
    uninterrupted, work_dir = train(trained, "uninterrupted", **RANDOM), train(trained, "killed", **RANDOM)
    (work_dir / RESULT).unlink()
    assert is_same(uninterrupted, train(trained, "killed", interrupt_in(3), **RANDOM))


@pytest.mark.parametrize("name", [RESULT, WEIGHTS])
def test_damaged_result_is_set_aside_and_the_training_goes_on_from_its_last_state(
    trained: Paths, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    uninterrupted, work_dir = train(trained, "uninterrupted", **RANDOM), train(trained, "damaged", **RANDOM)
    content = (work_dir / name).read_bytes()
    (work_dir / name).write_bytes(content[:-20] + bytes(20))
    assert read_result(work_dir) is None
    (line,) = caplog.messages
    assert line.startswith(f"{work_dir / name}: damaged")
    assert is_same(uninterrupted, train(trained, "damaged", **RANDOM))


def test_fit_in_bf16_learns_and_saves_float32_weights(trained: Paths) -> None:
    bf16, float32 = (train(trained, precision, precision=precision, max_epochs=12) for precision in ("bf16", "32"))
    assert load_result(bf16)["history"][-1]["val_accuracy"] > 0.9
    assert {str(tensor.dtype) for tensor in load_weights(bf16).values()} == {"torch.float32"}
    assert (bf16 / WEIGHTS).read_bytes() != (float32 / WEIGHTS).read_bytes()


def test_fit_in_channels_last_learns_the_same(trained: Paths) -> None:
    """Other kernels round differently; the weights are saved as they are exported: contiguous."""
    losses = [
        [epoch["val_loss"] for epoch in load_result(train(trained, memory, memory_format=memory))["history"]]
        for memory in ("contiguous", "channels_last")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_fit_that_diverges_names_the_learning_rate(trained: Paths) -> None:
    with pytest.raises(ConfigError, match=r"^params\.yaml: train\.learning_rate: 1e\+30 drove .* in epoch 1; lower it"):
        train(trained, "a", learning_rate=1e30, optimizer="sgd", schedule="constant")
    assert read_result(trained.root / "a") is None


def test_fit_on_another_rank_reports_and_writes_nothing(trained: Paths) -> None:
    work_dir = trained.root / "a"
    work_dir.mkdir()
    events: list[Event] = []
    job = FitJob(trained.normalized_dir, work_dir, ResolvedTrainSettings(**SETTINGS | {"max_epochs": 1}))
    fit(job, events.append, WorkerContext(rank=1, num_workers=2, num_threads=1))
    assert events == []
    assert read_result(work_dir) is None


def test_fit_uses_every_core_by_default(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    work_dir, threads_before = trained.root / "a", torch.get_num_threads()
    work_dir.mkdir()
    monkeypatch.setattr(fit_module.os, "cpu_count", lambda: 3)
    try:
        fit(
            FitJob(trained.normalized_dir, work_dir, ResolvedTrainSettings(**SETTINGS | {"max_epochs": 1})),
            lambda _: None,
        )
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads_before)


def test_read_result_of_an_unfinished_training_is_none(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
