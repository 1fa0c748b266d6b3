from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from headrace.contracts import Batch
from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.tasks import TASKS
from headrace.training.module import TrainingModule
from headrace.training.sampling.batch_order import BatchOrder
from headrace.training.settings import ResolvedTrainSettings
from tests.training.short_fit import SETTINGS, WEIGHTS, is_close, load_result, train

ROWS = torch.from_numpy(np.random.default_rng(0).normal(size=(31, 6))).float()
TARGETS = torch.from_numpy(np.random.default_rng(1).integers(0, 3, 31))
ROWS_BY_CLASS = {"target": {"rows": dict(zip("abc", np.bincount(TARGETS).tolist(), strict=True))}}


def make_module(world_size: int = 1, **settings: Any) -> TrainingModule:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Dropout(0.2), nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))
    module = TrainingModule(
        network, TASKS["classification"], ResolvedTrainSettings(**settings), transform=ROWS_BY_CLASS, num_steps=10
    )
    module._trainer = SimpleNamespace(world_size=world_size, current_epoch=0, global_rank=0)  # type: ignore[assignment]
    return module


def make_batches(step: int, num_workers: int, batch_size: int = 10, epoch: int = 0) -> list[Batch]:
    batches = []
    for rank in range(num_workers):
        share = list(BatchOrder(31, batch_size, 0, rank, num_workers).shares(epoch))[step]
        rows = torch.from_numpy(share.rows)
        weights = torch.from_numpy(share.weights)
        batches.append(Batch(ROWS[rows], TARGETS[rows], weights, share.num_rows, first_row=share.first))
    return batches


def get_gradient(module: TrainingModule, batch: Batch) -> torch.Tensor:
    module.zero_grad()
    module.training_step(batch, 0).backward()
    return torch.cat([parameter.grad.flatten() for parameter in module.parameters() if parameter.grad is not None])


@pytest.mark.parametrize(
    "settings", [{}, {"label_smoothing": 0.1}, {"loss": "focal", "class_weights": "balanced"}], ids=str
)
@pytest.mark.parametrize("num_workers", [2, 3, 8])
@pytest.mark.parametrize("step", [0, 3])
def test_averaged_gradients_of_workers_are_those_of_the_full_batch(
    step: int, num_workers: int, settings: dict[str, Any]
) -> None:
    (full,) = make_batches(step, 1)
    assert full.num_rows == (1 if step == 3 else 10)  # the last batch has one row
    expected = get_gradient(make_module(**settings), full)
    shared = make_module(world_size=num_workers, **settings)
    mean = torch.stack([get_gradient(shared, batch) for batch in make_batches(step, num_workers)]).mean(dim=0)
    assert expected.abs().sum() > 0.01
    torch.testing.assert_close(mean, expected, rtol=1e-5, atol=1e-7)


def test_gradient_is_that_of_the_mean_loss() -> None:
    (full,) = make_batches(0, 1)
    module = make_module()
    result = get_gradient(module, full)
    module.zero_grad()
    module.draws.select_rows(0, len(full.targets))
    nn.functional.cross_entropy(module.network(full.inputs), full.targets).backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in module.parameters() if parameter.grad is not None])
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("num_workers", [2, 3, 8])
def test_workers_with_dropout_train_as_one(num_workers: int) -> None:
    """Each step averages the gradients of all shares, as the workers do; float sums differ in their order only."""
    losses = []
    for count in (1, num_workers):
        module = make_module(world_size=count)
        optimizer = torch.optim.AdamW(module.parameters(), 0.05)
        for epoch in range(4):
            module._trainer.current_epoch = epoch  # type: ignore[union-attr, misc]
            for step in range(4):
                optimizer.zero_grad()
                for batch in make_batches(step, count, epoch=epoch):
                    (module.training_step(batch, step) / count).backward()
                optimizer.step()
            losses.append(float(module.train_sums[0]))
            module.on_train_epoch_start()
    assert losses[3] < 0.95 * losses[0]
    assert losses[4:] == pytest.approx(losses[:4], rel=1e-5)


def test_sums_count_every_row_of_every_worker_once() -> None:
    single, shared = make_module(), [make_module(world_size=4) for _ in range(4)]
    for step in range(4):
        single.training_step(make_batches(step, 1)[0], 0)
        for rank, batch in enumerate(make_batches(step, 4)):
            shared[rank].training_step(batch, 0)
    assert single.train_sums[2] == 31
    torch.testing.assert_close(torch.stack([module.train_sums for module in shared]).sum(dim=0), single.train_sums)


def test_validation_step_ignores_label_smoothing() -> None:
    plain, smooth = make_module(), make_module(label_smoothing=0.3)
    (batch,) = make_batches(0, 1)
    for module in (plain, smooth):
        module.validation_step(batch, 0)
    assert torch.equal(plain.val_sums, smooth.val_sums)


def test_sums_are_not_in_the_state_dict() -> None:
    assert all(name.startswith("network.") for name in make_module().state_dict())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_diverged_loss_names_the_learning_rate(value: float) -> None:
    module = make_module(learning_rate=30.0)
    module._trainer = SimpleNamespace(  # type: ignore[assignment]
        sanity_checking=False, current_epoch=2, strategy=SimpleNamespace(reduce=lambda sums, **_: sums)
    )
    module.train_sums[:] = torch.tensor([9.0, 1.0, 3.0])
    module.val_sums[:] = torch.tensor([value, 1.0, 3.0])
    with pytest.raises(ConfigError) as caught:
        module.on_validation_epoch_end()
    assert str(caught.value) == (
        f"params.yaml: train.learning_rate: 30 drove val_loss to {value} in epoch 3; lower it, or set "
        "train.gradient_clip"
    )


def test_regression_reports_its_mean_error_in_the_unit_of_the_target() -> None:
    transform = {"target": {"mean": 5.0, "std": 2.0}}
    module = TrainingModule(
        nn.Linear(6, 1), TASKS["regression"], ResolvedTrainSettings(), transform=transform, num_steps=10
    )
    module._trainer = SimpleNamespace(  # type: ignore[assignment]
        sanity_checking=False, world_size=1, current_epoch=0, global_rank=0,
        strategy=SimpleNamespace(reduce=lambda sums, **_: sums),
    )  # fmt: skip
    module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    values = torch.linspace(-3, 9, 31)
    batch = Batch(ROWS, values, torch.ones(31), 31)
    module.training_step(batch, 0)
    module.validation_step(batch, 0)
    module.on_validation_epoch_end()
    errors = (module.network(ROWS)[:, 0] - values).detach()
    assert module.epoch_metrics == {
        "train_loss": pytest.approx(float((errors / 2).square().mean())),
        "train_mae": pytest.approx(float(errors.abs().mean())),
        "val_loss": pytest.approx(float((errors / 2).square().mean())),
        "val_mae": pytest.approx(float(errors.abs().mean())),
    }


@pytest.mark.parametrize("accumulate", [2, 5])
def test_fit_with_accumulated_gradients_gives_the_same_weights(trained: Paths, accumulate: int) -> None:
    model = {**SETTINGS["model"], "dropout": 0.3}
    settings: dict[str, Any] = {"optimizer": "sgd", "l1": 1e-3, "max_epochs": 2, "gradient_clip": 0.5, "model": model}
    full, in_parts = train(trained, "a", **settings), train(trained, "b", accumulate=accumulate, **settings)
    results = load_result(full), load_result(in_parts)
    assert results[0]["steps"] == results[1]["steps"] == 22
    assert is_close(full, in_parts, 1e-4)
    for epoch, other in zip(results[0]["history"], results[1]["history"], strict=True):
        assert epoch["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)
        assert epoch["learning_rate"] == other["learning_rate"]


def test_fit_with_a_clipped_gradient_gives_other_weights(trained: Paths) -> None:
    clipped, free = (train(trained, f"{clip}", gradient_clip=clip, max_epochs=1) for clip in (1e-3, 0.0))
    assert (clipped / WEIGHTS).read_bytes() != (free / WEIGHTS).read_bytes()
