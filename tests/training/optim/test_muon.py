from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from headrace.training.optim.muon import Muon, orthogonalize
from headrace.training.optim.optimizers import make_optimizer
from headrace.training.optim.param_groups import find_inner_matrices


def build(network: nn.Module, learning_rate: float = 0.01, weight_decay: float = 0.0, **options: Any) -> Any:
    named_options = {"name": "muon", **options}
    return make_optimizer(network, named_options, learning_rate=learning_rate, weight_decay=weight_decay)


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 3))


def newton_schulz(g: np.ndarray) -> np.ndarray:
    """The reference from https://kellerjordan.github.io/posts/muon, in float64."""
    x = g / np.linalg.norm(g)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (4, 4), (4, 12), (5, 40), (40, 5)])
def test_orthogonalize_moves_singular_values_to_1_and_keeps_directions(shape: tuple[int, int]) -> None:
    g = np.random.default_rng(0).normal(size=shape)
    factor = orthogonalize(torch.tensor(g, dtype=torch.float32)).numpy()
    expected = newton_schulz(g) if shape[0] <= shape[1] else newton_schulz(g.T).T
    assert np.allclose(factor, expected, atol=1e-4)
    values = np.linalg.svd(factor, compute_uv=False)
    assert values.min() > 0.6
    assert values.max() < 1.3
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    assert s.max() / s.min() > 1.5
    middle = u.T @ factor @ vt.T
    assert np.allclose(middle, np.diag(np.diag(middle)), atol=1e-4), "U and V are unchanged"


def test_muon_steps_along_the_orthogonalized_mean_gradient() -> None:
    rng, network = np.random.default_rng(0), make_network()
    w = network[0].weight.detach().double().numpy()
    b = np.zeros((6, 4))
    optimizer = build(network, weight_decay=0.1, momentum=0.9)
    for _ in range(3):
        g = rng.normal(size=(6, 4))
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        network[0].weight.grad = torch.tensor(g, dtype=torch.float32)
        optimizer.step()
        b = 0.9 * b + 0.1 * g
        w = w * (1 - 0.01 * 0.1) - 0.01 * 0.5 * 6**0.5 * newton_schulz((0.1 * g + 0.9 * b).T).T
    assert np.allclose(network[0].weight.detach(), w, atol=1e-5)


def test_muon_agrees_with_torch_on_a_matrix() -> None:
    network, other = make_network(), make_network()
    ours = Muon(network, 0.008, momentum=0.95, weight_decay=0.0)
    theirs = torch.optim.Muon([other[0].weight], 0.02, momentum=0.95, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        gradient = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))
        network[0].weight.grad, other[0].weight.grad = gradient, gradient.clone()
        ours.step()
        theirs.step()
    moved = other[0].weight - make_network()[0].weight
    assert (network[0].weight - other[0].weight).norm() < 0.02 * moved.norm()  # torch computes in bfloat16, with 8 bits


def test_muon_uses_adamw_for_all_but_inner_matrices() -> None:
    network, other = make_network(), make_network()
    ours = build(network, weight_decay=0.1)
    theirs = build(other, weight_decay=0.1, name="adamw")
    for _ in range(3):
        for parameter, twin in zip(network.parameters(), other.parameters(), strict=True):
            parameter.grad = torch.linspace(-1, 2, parameter.numel()).reshape(parameter.shape)
            twin.grad = parameter.grad.clone()
        ours.step()
        theirs.step()
    same = {name: torch.equal(value, other.get_parameter(name)) for name, value in network.named_parameters()}
    assert same == {
        "0.weight": False, "0.bias": True, "1.weight": True, "1.bias": True, "2.weight": True, "2.bias": True
    }  # fmt: skip


def test_muon_treats_kernels_as_matrices_and_skips_embeddings() -> None:
    network = nn.Sequential(nn.Embedding(5, 4), nn.Conv2d(1, 3, 3), nn.Linear(4, 6), nn.Linear(6, 2))
    assert [list(matrix.shape) for matrix in find_inner_matrices(network)] == [[3, 1, 3, 3], [6, 4]]
    optimizer = build(network)
    before = network[1].weight.detach().double().numpy().reshape(3, 9)
    for parameter in network.parameters():
        parameter.grad = torch.linspace(-1, 2, parameter.numel()).square().reshape(parameter.shape)
    g = network[1].weight.grad.double().numpy().reshape(3, 9)
    optimizer.step()
    # the first mean is 0.05 g, and 0.05 g + 0.95 * 0.05 g has the same orthogonal factor as g
    expected = before - 0.01 * 0.5 * 3 * newton_schulz(g)
    assert np.allclose(network[1].weight.detach().reshape(3, 9), expected, atol=1e-5)


def test_muon_with_a_loaded_state_continues_bit_for_bit(tmp_path: Path) -> None:
    def run_steps(network: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> None:
        for seed in seeds:
            torch.manual_seed(seed)
            for parameter in network.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()

    uninterrupted, first, second = make_network(), make_network(), make_network()
    run_steps(uninterrupted, build(uninterrupted, weight_decay=0.01), range(6))
    optimizer = build(first, weight_decay=0.01)
    run_steps(first, optimizer, range(3))
    torch.save({"weights": first.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state")
    state = torch.load(tmp_path / "state", weights_only=True)
    resumed = build(second, weight_decay=0.01)
    second.load_state_dict(state["weights"])
    resumed.load_state_dict(state["optimizer"])
    run_steps(second, resumed, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(uninterrupted.parameters(), second.parameters(), strict=True))
