from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from headrace.paths import Paths
from headrace.training.callbacks.ema import WeightEMA
from tests.training.short_fit import compute_val_loss, is_close, load_result, train


def network_of(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def started(network: nn.Module, decay: float = 0.9, state: dict[str, Any] | None = None) -> tuple[WeightEMA, Any, Any]:
    found, running, module = WeightEMA(decay), SimpleNamespace(global_step=0), SimpleNamespace(network=network)
    if state is not None:
        found.load_state_dict(state)
        running.global_step = state["num_steps"]
    found.on_train_start(running, module)  # type: ignore[arg-type]
    return found, running, module


def step(found: WeightEMA, running: Any, network: nn.Module, seed: int, parts: int = 1) -> dict[str, np.ndarray]:
    """New weights and statistics, drawn, as an optimizer step would leave them."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn_like(value))
    for _ in range(parts - 1):
        found.on_train_batch_end(running, None, None)  # type: ignore[arg-type]
    running.global_step += 1
    found.on_train_batch_end(running, None, None)  # type: ignore[arg-type]
    return weights(network)


def weights(network: nn.Module) -> dict[str, np.ndarray]:
    state = network.state_dict().items()
    return {name: value.double().numpy().copy() for name, value in state if value.is_floating_point()}


def test_averaged_weights_are_the_corrected_moving_mean() -> None:
    network = network_of()
    found, running, module = started(network)
    means = {name: np.zeros_like(value) for name, value in weights(network).items()}
    assert {"1.running_mean", "1.running_var"} < set(means)
    for count in range(1, 8):
        now = step(found, running, network, seed=count)
        means = {name: 0.9 * means[name] + 0.1 * now[name] for name in now}
        found.on_validation_start(running, module)
        for name, value in weights(network).items():
            assert np.allclose(value, means[name] / (1 - 0.9**count), atol=1e-6)
        found.on_validation_end(running, module)
        assert all((value == now[name]).all() for name, value in weights(network).items()), "back, bit for bit"


def test_averaged_weights_of_the_first_step_are_its_own() -> None:
    network = network_of()
    found, running, module = started(network, decay=0.999)
    now = step(found, running, network, seed=1)
    found.on_validation_start(running, module)
    assert all((value == now[name]).all() for name, value in weights(network).items())


def test_averaging_counts_a_step_of_several_parts_once() -> None:
    first, second = network_of(), network_of()
    whole, parted = started(first), started(second)
    for seed in range(3):
        step(whole[0], whole[1], first, seed)
        step(parted[0], parted[1], second, seed, parts=4)
    assert whole[0].state_dict()["num_steps"] == parted[0].state_dict()["num_steps"] == 3
    for found, running, module in (whole, parted):
        found.on_validation_start(running, module)
    assert all((value == weights(second)[name]).all() for name, value in weights(first).items())


def test_averaging_of_a_loaded_state_goes_on_bit_for_bit(tmp_path: Any) -> None:
    first, second = network_of(), network_of(1)
    found, running, module = started(first)
    for seed in range(3):
        step(found, running, first, seed)
    torch.save(found.state_dict(), tmp_path / "state")
    resumed, again, other = started(second, state=torch.load(tmp_path / "state", weights_only=True))
    for seed in (3, 4):
        step(found, running, first, seed)
        step(resumed, again, second, seed)
    found.on_validation_start(running, module)
    resumed.on_validation_start(again, other)
    assert all((value == weights(second)[name]).all() for name, value in weights(first).items())


def test_averaging_leaves_what_is_no_float() -> None:
    network = network_of()
    found, running, module = started(network)
    step(found, running, network, seed=0)
    network[1].num_batches_tracked.fill_(5)
    found.on_validation_start(running, module)
    assert network[1].num_batches_tracked == 5


def test_averaged_weights_are_validated_and_saved_but_not_trained(trained: Paths) -> None:
    averaged, plain = (train(trained, f"{decay}", ema=decay, keep="last") for decay in (0.9, 0.0))
    histories = [load_result(work_dir)["history"] for work_dir in (averaged, plain)]
    assert compute_val_loss(trained, averaged) == pytest.approx(histories[0][-1]["val_loss"], rel=1e-4)
    assert not is_close(averaged, plain, 1e-3)
    losses = [[epoch["train_loss"] for epoch in history] for history in histories]
    assert losses[0] == losses[1]
