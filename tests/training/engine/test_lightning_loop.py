"""The step loop against Lightning's own loop: the same weights, and the same hooks in the same order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from headrace.paths import Paths
from headrace.training.callbacks.stopping import ResumableEarlyStopping
from headrace.training.data_module import ArraysDataModule
from headrace.training.engine.lightning_loop import StepLoop, use_step_loop
from headrace.training.fit import TRAINER_DEFAULTS, FitJob, make_training_module, silence_lightning
from headrace.training.module import TrainingModule
from headrace.training.settings import ResolvedTrainSettings

HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_validation_epoch_end",
    "on_train_epoch_end",
)


class HookRecorder(pl.Callback):
    """Records which hooks are called, at which step, with which loss."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, Any]] = []


def _make_hook(name: str) -> Any:
    def hook(self: HookRecorder, trainer: pl.Trainer, pl_module: pl.LightningModule, *arguments: Any) -> None:  # noqa: ARG001
        loss = float(arguments[0]["loss"]) if name == "on_train_batch_end" else None
        self.calls.append((name, trainer.global_step, loss))

    return hook


for hook_name in HOOKS:
    setattr(HookRecorder, hook_name, _make_hook(hook_name))


def train(
    paths: Paths, *, is_ours: bool, callbacks: tuple[Any, ...] = (), **options: Any
) -> tuple[pl.Trainer, HookRecorder, dict[str, torch.Tensor]]:
    """Trains shortly with the step loop or with Lightning's own."""
    settings = ResolvedTrainSettings(
        model={"name": "cnn", "blocks": [4, "pool"], "dense": [8], "dropout": 0.1}, batch_size=48, optimizer="adamw"
    )
    torch.set_num_threads(1)
    job = FitJob(paths.normalized_dir, Path(), settings)
    silence_lightning()
    module, recorder = make_training_module(job), HookRecorder()
    trainer = pl.Trainer(
        devices=1,
        callbacks=[recorder, *callbacks],
        **({"max_epochs": 3} | TRAINER_DEFAULTS | {"accelerator": "cpu"} | options),
    )
    if is_ours:
        use_step_loop(trainer)
    trainer.fit(module, datamodule=ArraysDataModule(paths.normalized_dir, settings))
    return trainer, recorder, module.state_dict()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gradient_clip_val": 0.1},
        {"precision": "bf16-mixed"},
        {"accumulate_grad_batches": 2},
        {"max_steps": 5},
    ],
    ids=str,
)
def test_weights_hooks_and_progress_are_those_of_lightning(trained_project: Paths, options: dict[str, Any]) -> None:
    ours, theirs = (train(trained_project, is_ours=is_ours, **options) for is_ours in (True, False))
    assert ours[1].calls == theirs[1].calls
    assert len(ours[1].calls) > 20
    assert all(torch.equal(ours[2][name], weights) for name, weights in theirs[2].items())
    assert isinstance(ours[0].fit_loop.epoch_loop, StepLoop)
    assert not isinstance(theirs[0].fit_loop.epoch_loop, StepLoop)
    counts = [trainer.fit_loop.state_dict() for trainer in (ours[0], theirs[0])]
    assert counts[0] == counts[1]  # so either loop can resume from the state of the other


def test_schedule_by_epoch_steps_once_per_epoch(trained_project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_epoch(module: TrainingModule) -> Any:
        optimizer = torch.optim.SGD(module.network.parameters(), lr=0.1)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)}

    monkeypatch.setattr(TrainingModule, "configure_optimizers", by_epoch)
    ours, theirs = (train(trained_project, is_ours=is_ours) for is_ours in (True, False))
    assert ours[0].optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**3)
    assert all(torch.equal(ours[2][name], weights) for name, weights in theirs[2].items())


def test_module_that_steps_its_own_schedule_is_called(trained_project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(TrainingModule, "lr_scheduler_step", lambda *arguments: calls.append(arguments))
    trainer, _, _ = train(trained_project, is_ours=True)
    assert len(calls) == trainer.global_step > 0


def test_stop_within_an_epoch_validates_it(trained_project: Paths) -> None:
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            trainer.should_stop = trainer.global_step >= 4

    trainer, recorder, _ = train(trained_project, is_ours=True, callbacks=(Stop(),))
    assert trainer.global_step == 4
    assert recorder.calls[-2][0] == "on_validation_epoch_end"


def test_early_stopping_ends_the_training(trained_project: Paths) -> None:
    early_stopping = ResumableEarlyStopping("val_loss", patience=1, min_delta=10.0, check_on_train_epoch_end=False)
    trainer, _, _ = train(trained_project, is_ours=True, callbacks=(early_stopping,), max_epochs=9)
    assert trainer.current_epoch == 2


@pytest.fixture
def trained_project(tmp_path: Path) -> Paths:
    """A project whose rows are not a multiple of the batch size."""
    from headrace.contracts import Spec
    from headrace.storage import arrays, atomic

    paths, rng = Paths(tmp_path), np.random.default_rng(0)
    spec = Spec(
        modality="image", task="classification", source="drawn", format="drawn", num_rows=190,
        classes=["a", "b"], input_shape=[8, 8, 1],
    )  # fmt: skip
    for split, num_rows in (("train", 150), ("val", 40)):
        made = arrays.create_arrays(paths.normalized_dir / split, num_rows=num_rows, input_shape=spec.input_shape)
        made.inputs[:] = rng.integers(0, 256, made.inputs.shape, dtype=np.uint8)
        made.targets[:] = rng.integers(0, 2, num_rows)
    atomic.write_json(
        paths.normalized_dir / "transform.json",
        {"input_shape": [8, 8, 1], "mean": [0.5], "std": [0.3], "resize": "pad"},
    )
    atomic.write_text(paths.normalized_dir / "spec.json", spec.to_json())
    return paths
