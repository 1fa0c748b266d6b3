import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from headrace.contracts import Json
from headrace.training.optim.optimizers import OPTIMIZERS, make_optimizer

FIRST, GRADIENT = [1.0, -2.0, 0.5], [0.3, -0.1, 2.0]


def build(network: nn.Module, optimizer: Json | str, learning_rate: float = 0.01, weight_decay: float = 0.0) -> Any:
    named_options = {"name": optimizer} if isinstance(optimizer, str) else optimizer
    return make_optimizer(network, named_options, learning_rate=learning_rate, weight_decay=weight_decay)


def run_steps(optimizer: Json | str, num_steps: int = 1, weight_decay: float = 0.0) -> list[float]:
    """Returns a matrix of one row after some steps with a constant gradient."""
    network = nn.ParameterDict({"weight": torch.tensor([FIRST])})
    optimizer = build(network, optimizer, weight_decay=weight_decay)
    for _ in range(num_steps):
        network["weight"].grad = torch.tensor([GRADIENT])
        optimizer.step()
    return network["weight"][0].tolist()


def test_adam_takes_the_first_step_of_the_paper() -> None:
    # Kingma and Ba 2015, algorithm 1: with bias correction the first step is lr * g / (|g| + eps)
    expected = [value - 0.01 * g / (abs(g) + 1e-8) for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert run_steps("adam") == pytest.approx(expected, rel=1e-6)


def test_adam_applies_weight_decay_as_an_l2_penalty() -> None:
    gradients = [g + 0.1 * value for value, g in zip(FIRST, GRADIENT, strict=True)]
    expected = [value - 0.01 * g / (abs(g) + 1e-8) for value, g in zip(FIRST, gradients, strict=True)]
    assert run_steps("adam", weight_decay=0.1) == pytest.approx(expected, rel=1e-5)


def test_adamw_decouples_weight_decay() -> None:
    # Loshchilov and Hutter 2019, algorithm 2
    expected = [value * (1 - 0.01 * 0.1) - 0.01 * g / (abs(g) + 1e-8) for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert run_steps("adamw", weight_decay=0.1) == pytest.approx(expected, rel=1e-6)


def test_sgd_takes_nesterov_steps() -> None:
    # v <- 0.9 v + g; w <- w - lr (g + 0.9 v): with a constant g, 1.9 g, then 0.9 * 1.9 g + g
    expected = [value - 0.01 * (1.9 + 2.71) * g for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert run_steps("sgd", 2) == pytest.approx(expected, rel=1e-6)


def test_sgd_without_nesterov_takes_polyak_steps() -> None:
    # v <- 0.5 v + g; w <- w - lr v: g, then 1.5 g
    expected = [value - 0.01 * 2.5 * g for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert run_steps({"name": "sgd", "momentum": 0.5, "nesterov": False}, 2) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["gd", {"name": "sgd", "momentum": 0}], ids=str)
def test_descent_without_momentum_follows_the_gradient(optimizer: Json | str) -> None:
    expected = [value - 0.01 * 2 * g for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert run_steps(optimizer, 2) == pytest.approx(expected, rel=1e-6)


def test_adam_uses_its_betas_and_eps() -> None:
    m = v = np.zeros(3)
    theta, g = np.array(FIRST), np.array(GRADIENT)
    for step in (1, 2, 3):
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g**2
        theta = theta - 0.01 * (m / (1 - 0.5**step)) / (np.sqrt(v / (1 - 0.9**step)) + 0.1)
    options = {"name": "adam", "betas": [0.5, 0.9], "eps": 0.1}
    assert run_steps(options, 3) == pytest.approx(theta.tolist(), rel=1e-5)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_decoupled_decay_excludes_biases_and_normalization(name: str) -> None:
    network = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 3))
    before = {key: value.detach().clone() for key, value in network.named_parameters()}
    optimizer = build(network, name, learning_rate=0.1, weight_decay=0.5)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for key, value in network.named_parameters():
        factor = 0.95 if key in {"0.weight", "2.weight"} else 1.0
        torch.testing.assert_close(value, before[key] * factor)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_reduces_a_loss_of_a_network_with_one_layer(name: str) -> None:
    torch.manual_seed(0)
    network, x = nn.Linear(4, 1), torch.randn(32, 4)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]])
    optimizer = build(network, name, learning_rate=0.05)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    json.dumps(optimizer.state_dict()["param_groups"])  # checkpoints only hold plain values
