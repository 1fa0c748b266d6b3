from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from headrace.paths import Paths
from headrace.training.callbacks.ema import WeightEMA
from tests.training.short_fit import compute_val_loss, is_close, load_result, train


def make_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def start(network: nn.Module, decay: float = 0.9, state: dict[str, Any] | None = None) -> tuple[WeightEMA, Any, Any]:
    ema, trainer, module = (
        WeightEMA(decay),
        SimpleNamespace(global_step=0, global_rank=0),
        SimpleNamespace(network=network),
    )
    if state is not None:
        ema.load_state_dict(state)
        trainer.global_step = state["num_steps"]
    ema.on_train_start(trainer, module)  # type: ignore[arg-type]
    return ema, trainer, module


def run_step(ema: WeightEMA, trainer: Any, network: nn.Module, seed: int, parts: int = 1) -> dict[str, np.ndarray]:
    """Draws new weights and statistics, as if by an optimizer step, and returns them."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn_like(value))
    for _ in range(parts - 1):
        ema.on_train_batch_end(trainer, None, None)  # type: ignore[arg-type]
    trainer.global_step += 1
    ema.on_train_batch_end(trainer, None, None)  # type: ignore[arg-type]
    return get_weights(network)


def get_weights(network: nn.Module) -> dict[str, np.ndarray]:
    state = network.state_dict().items()
    return {name: value.double().numpy().copy() for name, value in state if value.is_floating_point()}


def test_averaged_weights_are_the_bias_corrected_moving_average() -> None:
    network = make_network()
    ema, trainer, module = start(network)
    means = {name: np.zeros_like(value) for name, value in get_weights(network).items()}
    assert {"1.running_mean", "1.running_var"} < set(means)
    for count in range(1, 8):
        now = run_step(ema, trainer, network, seed=count)
        means = {name: 0.9 * means[name] + 0.1 * now[name] for name in now}
        ema.on_validation_start(trainer, module)
        for name, value in get_weights(network).items():
            assert np.allclose(value, means[name] / (1 - 0.9**count), atol=1e-6)
        ema.on_validation_end(trainer, module)
        assert all((value == now[name]).all() for name, value in get_weights(network).items()), "restored bit for bit"


def test_averaged_weights_of_the_first_step_are_its_weights() -> None:
    network = make_network()
    ema, trainer, module = start(network, decay=0.999)
    now = run_step(ema, trainer, network, seed=1)
    ema.on_validation_start(trainer, module)
    assert all((value == now[name]).all() for name, value in get_weights(network).items())


def test_averaging_counts_a_step_in_parts_once() -> None:
    first, second = make_network(), make_network()
    full, in_parts = start(first), start(second)
    for seed in range(3):
        run_step(full[0], full[1], first, seed)
        run_step(in_parts[0], in_parts[1], second, seed, parts=4)
    assert full[0].state_dict()["num_steps"] == in_parts[0].state_dict()["num_steps"] == 3
    for ema, trainer, module in (full, in_parts):
        ema.on_validation_start(trainer, module)
    assert all((value == get_weights(second)[name]).all() for name, value in get_weights(first).items())


def test_averaging_with_a_loaded_state_continues_bit_for_bit(tmp_path: Any) -> None:
    first, second = make_network(), make_network(1)
    ema, trainer, module = start(first)
    for seed in range(3):
        run_step(ema, trainer, first, seed)
    torch.save(ema.state_dict(), tmp_path / "state")
    resumed, resumed_trainer, resumed_module = start(second, state=torch.load(tmp_path / "state", weights_only=True))
    for seed in (3, 4):
        run_step(ema, trainer, first, seed)
        run_step(resumed, resumed_trainer, second, seed)
    ema.on_validation_start(trainer, module)
    resumed.on_validation_start(resumed_trainer, resumed_module)
    assert all((value == get_weights(second)[name]).all() for name, value in get_weights(first).items())


def test_averaging_ignores_integers() -> None:
    network = make_network()
    ema, trainer, module = start(network)
    run_step(ema, trainer, network, seed=0)
    network[1].num_batches_tracked.fill_(5)
    ema.on_validation_start(trainer, module)
    assert network[1].num_batches_tracked == 5


def test_averaged_weights_are_validated_and_saved_but_not_trained(trained: Paths) -> None:
    averaged, plain = (train(trained, f"{decay}", ema=decay, keep="last") for decay in (0.9, 0.0))
    histories = [load_result(work_dir)["history"] for work_dir in (averaged, plain)]
    assert compute_val_loss(trained, averaged) == pytest.approx(histories[0][-1]["val_loss"], rel=1e-4)
    assert not is_close(averaged, plain, 1e-3)
    losses = [[epoch["train_loss"] for epoch in history] for history in histories]
    assert losses[0] == losses[1]
