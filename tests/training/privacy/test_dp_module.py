from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headrace.contracts import Batch, Json
from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.tasks import TASKS
from headrace.training.fit import PRIVACY_KEY
from headrace.training.privacy.dp_module import DPTrainingModule
from headrace.training.privacy.keyed_random import derive_key
from headrace.training.privacy.per_sample_gradients import PerSampleGradients
from headrace.training.privacy.poisson_sampling import PoissonBatchOrder
from headrace.training.settings import ResolvedTrainSettings
from tests.training.short_fit import (
    SETTINGS,
    InterruptedTrainingError,
    interrupt_in,
    load_result,
    load_weights,
    train,
    train_and_kill,
)

ROWS = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 6))).float()
TARGETS = torch.from_numpy(np.random.default_rng(1).integers(0, 3, 40))
PRIVATE: Json = {
    "model": {**SETTINGS["model"], "activation": "tanh", "dropout": 0.1},
    "max_epochs": 3,
    "batch_size": 60,
    "privacy": {"epsilon": 20.0, "secure": False},
}
SECURE: Json = {**PRIVATE, "privacy": {"epsilon": 20.0}}


def make_order(rank: int = 0, num_workers: int = 1) -> PoissonBatchOrder:
    return PoissonBatchOrder(40, 10, 0, rank, num_workers, key=derive_key(0))


def make_module(rank: int = 0, num_workers: int = 1, reduce: Callable[..., Tensor] | None = None) -> DPTrainingModule:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    settings = ResolvedTrainSettings(max_epochs=2, batch_size=10, privacy={"epsilon": 5.0, "clip": 0.5})
    module = DPTrainingModule(network, TASKS["classification"], settings, transform={}, order=make_order())
    module._trainer = SimpleNamespace(  # type: ignore[assignment]
        world_size=num_workers, current_epoch=0, global_rank=rank, strategy=SimpleNamespace(reduce=reduce)
    )
    return module


def make_batch(step: int, rank: int = 0, num_workers: int = 1) -> Batch:
    share = list(make_order(rank, num_workers).shares(0))[step]
    rows = torch.from_numpy(share.rows)
    return Batch(ROWS[rows], TARGETS[rows], torch.from_numpy(share.weights), share.num_rows)


def get_gradient(module: DPTrainingModule) -> Tensor:
    return torch.cat([weight.grad.flatten() for weight in module.parameters() if weight.grad is not None])


def read_weights(work_dir: Path) -> bytes:
    return (work_dir / WEIGHTS).read_bytes()


def test_step_is_the_clipped_sum_and_noise_over_the_expected_rows() -> None:
    module, batch = make_module(), make_batch(2)
    assert batch.num_rows != 10, "the size of the batch itself is not used"
    module.backward(module.training_step(batch, 2))
    gradients = PerSampleGradients(
        module.network, lambda outputs, batch: module.task.loss(outputs, batch, module.loss_options)
    )
    clipped, _ = gradients.clipped_sum(batch, 0.5)
    noise = module.noise.draw(0, 2, len(clipped))
    torch.testing.assert_close(get_gradient(module), (clipped + noise) / 10)
    assert float(noise.std()) == pytest.approx(0.5 * module.noise.multiplier, rel=0.2)


@pytest.mark.parametrize("num_workers", [2, 3])
@pytest.mark.parametrize("step", [0, 3])
def test_gradient_is_the_same_for_any_number_of_workers(step: int, num_workers: int) -> None:
    single = make_module()
    single.backward(single.training_step(make_batch(step), step))
    parts: list[Tensor] = []

    def reduce(part: Tensor, **_: Any) -> Tensor:
        parts.append(part)
        return torch.stack(parts).sum(dim=0)

    for rank in range(num_workers):  # the last rank gets the sum of all
        module = make_module(rank, num_workers, reduce)
        module.backward(module.training_step(make_batch(step, rank, num_workers), step))
    torch.testing.assert_close(get_gradient(module), get_gradient(single), rtol=1e-5, atol=1e-6)


def test_empty_batch_only_adds_noise() -> None:
    module = make_module()
    empty = Batch(ROWS[:1], TARGETS[:1], torch.zeros(1), 0)
    assert float(module.training_step(empty, 1)) == 0
    module.backward(torch.zeros(()))
    expected = module.noise.draw(0, 1, sum(weight.numel() for weight in module.parameters())) / 10
    torch.testing.assert_close(get_gradient(module), expected)
    assert module.train_sums.tolist() == [0.0, 0.0, 0.0]


def test_noise_has_its_multiplier_and_differs_between_steps() -> None:
    noise = make_module().noise
    drawn = torch.stack([noise.draw(epoch, step, 5000) for epoch in range(2) for step in range(2)])
    assert float(drawn.std()) == pytest.approx(noise.clip * noise.multiplier, rel=0.03)
    assert torch.corrcoef(drawn).fill_diagonal_(0).abs().max() < 0.06


def test_private_fit_learns_and_reports_its_cost_and_is_repeatable(trained: Paths) -> None:
    settings = {**PRIVATE, "max_epochs": 8}
    work_dir = train(trained, "a", **settings)
    result = load_result(work_dir)
    assert result["history"][-1]["val_accuracy"] > 0.6
    assert 19.5 < result["privacy"]["epsilon"] <= 20
    assert result["privacy"]["delta"] == pytest.approx(500**-1.1)
    assert not (work_dir / PRIVACY_KEY).exists()
    assert read_weights(train(trained, "b", **settings)) == read_weights(work_dir)
    assert read_weights(train(trained, "c", **settings, seed=1)) != read_weights(work_dir)


def test_interrupted_private_fit_resumes_to_the_same_weights(trained: Paths) -> None:
    with pytest.raises(InterruptedTrainingError):
        train(trained, "interrupted", interrupt_in(1), **PRIVATE)
    resumed = train(trained, "interrupted", **PRIVATE)
    assert read_weights(resumed) == read_weights(train(trained, "uninterrupted", **PRIVATE))


def test_secure_fit_creates_a_key_and_depends_on_it(trained: Paths) -> None:
    settings = {**SECURE, "max_epochs": 2}
    first, second = train(trained, "a", **settings), train(trained, "b", **settings)
    assert read_weights(first) != read_weights(second)
    (trained.root / "c").mkdir()
    (trained.root / "c" / PRIVACY_KEY).write_bytes((first / PRIVACY_KEY).read_bytes())
    assert read_weights(train(trained, "c", **settings)) == read_weights(first)


def test_private_fit_that_stops_early_spends_less(trained: Paths) -> None:
    stopping = {"max_epochs": 20, "learning_rate": 1e-9, "early_stopping": {"patience": 1, "min_delta": 0.5}}
    result = load_result(train(trained, "a", **PRIVATE | stopping))
    assert result["epochs"] < 5
    assert 0 < result["privacy"]["epsilon"] < 15


def test_private_fit_in_bf16_learns(trained: Paths) -> None:
    result = load_result(train(trained, "a", **PRIVATE | {"precision": "bf16", "max_epochs": 8}))
    assert result["history"][-1]["val_accuracy"] > 0.6


@pytest.mark.slow
def test_killed_private_fit_resumes_to_the_same_weights(trained: Paths) -> None:
    work_dir = train_and_kill(trained, "killed", 1, **SECURE)
    (trained.root / "uninterrupted").mkdir()
    (trained.root / "uninterrupted" / PRIVACY_KEY).write_bytes((work_dir / PRIVACY_KEY).read_bytes())
    uninterrupted = train(trained, "uninterrupted", **SECURE)
    assert read_weights(train(trained, "killed", **SECURE)) == read_weights(uninterrupted)


@pytest.mark.parametrize("project", [("text", "classification")], indirect=True)
def test_private_fit_of_text_keeps_padding_at_0(project: Paths) -> None:
    settings = {**PRIVATE, "model": {"name": "text_mean", "width": 4, "dense": []}, "max_epochs": 1}
    weights = load_weights(train(project, "a", **settings))
    (embedding,) = [weight for name, weight in weights.items() if name.endswith("embedding.weight")]
    assert embedding[0].abs().max() == 0
    assert embedding[1:].abs().min() > 0
