import json

import numpy as np
import pytest
import torch
from torch import nn

from headrace.models import MODELS, find_model
from headrace.training.optim.muon import Muon, orthogonalize
from headrace.training.optim.optimizers import OPTIMIZERS, make_optimizer
from headrace.training.optim.param_groups import find_inner_matrices, split_weights
from headrace.training.settings import ResolvedTrainSettings

FIRST, GRADIENT = [1.0, -2.0, 0.5], [0.3, -0.1, 2.0]


def build(network: nn.Module, settings: ResolvedTrainSettings) -> torch.optim.Optimizer:
    return make_optimizer(
        network, settings.optimizer, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay
    )


def stepped(settings: ResolvedTrainSettings, num_steps: int = 1) -> list[float]:
    """A matrix of one row after some steps along one constant gradient."""
    network = nn.ParameterDict({"weight": torch.tensor([FIRST])})
    optimizer = build(network, settings)
    for _ in range(num_steps):
        network["weight"].grad = torch.tensor([GRADIENT])
        optimizer.step()
    return network["weight"][0].tolist()


def test_adam_takes_the_first_step_of_the_paper() -> None:
    # Kingma and Ba 2015, algorithm 1: with bias correction the first step is lr * g / (|g| + eps)
    expected = [value - 0.01 * g / (abs(g) + 1e-8) for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert stepped(ResolvedTrainSettings(optimizer="adam", learning_rate=0.01)) == pytest.approx(expected, rel=1e-6)


def test_adam_takes_weight_decay_as_an_l2_penalty() -> None:
    gradients = [g + 0.1 * value for value, g in zip(FIRST, GRADIENT, strict=True)]
    expected = [value - 0.01 * g / (abs(g) + 1e-8) for value, g in zip(FIRST, gradients, strict=True)]
    settings = ResolvedTrainSettings(optimizer="adam", learning_rate=0.01, weight_decay=0.1)
    assert stepped(settings) == pytest.approx(expected, rel=1e-5)


def test_adamw_decays_the_weights_by_themselves() -> None:
    # Loshchilov and Hutter 2019, algorithm 2
    expected = [value * (1 - 0.01 * 0.1) - 0.01 * g / (abs(g) + 1e-8) for value, g in zip(FIRST, GRADIENT, strict=True)]
    settings = ResolvedTrainSettings(optimizer="adamw", learning_rate=0.01, weight_decay=0.1)
    assert stepped(settings) == pytest.approx(expected, rel=1e-6)


def test_sgd_takes_nesterovs_steps() -> None:
    # v <- 0.9 v + g; w <- w - lr (g + 0.9 v): with one g throughout 1.9 g, then 0.9 * 1.9 g + g
    expected = [value - 0.01 * (1.9 + 2.71) * g for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert stepped(ResolvedTrainSettings(optimizer="sgd", learning_rate=0.01), 2) == pytest.approx(expected, rel=1e-6)


def test_sgd_without_nesterov_takes_polyaks_steps() -> None:
    # v <- 0.5 v + g; w <- w - lr v: g, then 1.5 g
    expected = [value - 0.01 * 2.5 * g for value, g in zip(FIRST, GRADIENT, strict=True)]
    settings = ResolvedTrainSettings(optimizer={"name": "sgd", "momentum": 0.5, "nesterov": False}, learning_rate=0.01)
    assert stepped(settings, 2) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["gd", {"name": "sgd", "momentum": 0}])
def test_descent_without_momentum_is_plain(optimizer: object) -> None:
    expected = [value - 0.01 * 2 * g for value, g in zip(FIRST, GRADIENT, strict=True)]
    assert stepped(ResolvedTrainSettings(optimizer=optimizer, learning_rate=0.01), 2) == pytest.approx(
        expected, rel=1e-6
    )


def test_adam_takes_its_betas_and_eps() -> None:
    m = v = np.zeros(3)
    theta, g = np.array(FIRST), np.array(GRADIENT)
    for step in (1, 2, 3):
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g**2
        theta = theta - 0.01 * (m / (1 - 0.5**step)) / (np.sqrt(v / (1 - 0.9**step)) + 0.1)
    settings = ResolvedTrainSettings(optimizer={"name": "adam", "betas": [0.5, 0.9], "eps": 0.1}, learning_rate=0.01)
    assert stepped(settings, 3) == pytest.approx(theta.tolist(), rel=1e-5)


def normed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 3))


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_decoupled_decay_spares_biases_and_norms(name: str) -> None:
    network = normed()
    before = {key: value.detach().clone() for key, value in network.named_parameters()}
    optimizer = build(network, ResolvedTrainSettings(optimizer=name, learning_rate=0.1, weight_decay=0.5))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for key, value in network.named_parameters():
        shrunk = 0.95 if key in {"0.weight", "2.weight"} else 1.0
        torch.testing.assert_close(value, before[key] * shrunk)


def test_weights_of_every_model_are_no_vectors_and_no_biases() -> None:
    for name, model in MODELS.items():
        shape = {"image": [32, 32, 1], "text": [8, 20], "table": [6]}[model.modalities[0]]  # type: ignore[attr-defined]
        network = find_model({"name": name}, "x").build(shape, 3)
        weights, rest = split_weights(network)
        assert len(weights) + len(rest) == len(list(network.parameters()))
        taken = {id(weight) for weight in weights}
        for key, parameter in network.named_parameters():
            is_weight = parameter.ndim > 1 and "bias" not in key.split(".")[-1]
            assert (id(parameter) in taken) == is_weight, key


# Muon


def newton_schulz(g: np.ndarray) -> np.ndarray:
    """Of https://kellerjordan.github.io/posts/muon, in float64."""
    x = g / np.linalg.norm(g)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (4, 4), (4, 12), (5, 40), (40, 5)])
def test_orthogonal_has_singular_values_near_1_and_the_same_directions(shape: tuple[int, int]) -> None:
    g = np.random.default_rng(0).normal(size=shape)
    found = orthogonalize(torch.tensor(g, dtype=torch.float32)).numpy()
    wide = newton_schulz(g) if shape[0] <= shape[1] else newton_schulz(g.T).T
    assert np.allclose(found, wide, atol=1e-4)
    values = np.linalg.svd(found, compute_uv=False)
    assert values.min() > 0.6
    assert values.max() < 1.3
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    assert s.max() / s.min() > 1.5
    middle = u.T @ found @ vt.T
    assert np.allclose(middle, np.diag(np.diag(middle)), atol=1e-4), "U and V stay as they are"


def test_muon_steps_along_the_orthogonal_mean_gradient() -> None:
    rng, network = np.random.default_rng(0), normed()
    w = network[0].weight.detach().double().numpy()
    b = np.zeros((6, 4))
    settings = {"optimizer": {"name": "muon", "momentum": 0.9}, "learning_rate": 0.01, "weight_decay": 0.1}
    optimizer = build(network, ResolvedTrainSettings(**settings))
    for _ in range(3):
        g = rng.normal(size=(6, 4))
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        network[0].weight.grad = torch.tensor(g, dtype=torch.float32)
        optimizer.step()
        b = 0.9 * b + 0.1 * g
        w = w * (1 - 0.01 * 0.1) - 0.01 * 0.5 * 6**0.5 * newton_schulz((0.1 * g + 0.9 * b).T).T
    assert np.allclose(network[0].weight.detach(), w, atol=1e-5)


def test_muon_agrees_with_torchs_own_on_a_matrix() -> None:
    network, other = normed(), normed()
    ours = Muon(network, 0.008, momentum=0.95, weight_decay=0.0)
    theirs = torch.optim.Muon([other[0].weight], 0.02, momentum=0.95, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        gradient = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))
        network[0].weight.grad, other[0].weight.grad = gradient, gradient.clone()
        ours.step()
        theirs.step()
    moved = other[0].weight - normed()[0].weight
    assert (network[0].weight - other[0].weight).norm() < 0.02 * moved.norm()  # theirs is bfloat16: 8 bits


def test_muon_leaves_all_but_inner_matrices_to_adamw() -> None:
    network, other = normed(), normed()
    settings = {"learning_rate": 0.01, "weight_decay": 0.1}
    ours = build(network, ResolvedTrainSettings(optimizer="muon", **settings))
    theirs = build(other, ResolvedTrainSettings(optimizer="adamw", **settings))
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


def test_muon_takes_kernels_as_matrices_and_no_embedding() -> None:
    network = nn.Sequential(nn.Embedding(5, 4), nn.Conv2d(1, 3, 3), nn.Linear(4, 6), nn.Linear(6, 2))
    assert [list(matrix.shape) for matrix in find_inner_matrices(network)] == [[3, 1, 3, 3], [6, 4]]
    optimizer = build(network, ResolvedTrainSettings(optimizer="muon", learning_rate=0.01))
    before = network[1].weight.detach().double().numpy().reshape(3, 9)
    for parameter in network.parameters():
        parameter.grad = torch.linspace(-1, 2, parameter.numel()).square().reshape(parameter.shape)
    g = network[1].weight.grad.double().numpy().reshape(3, 9)
    optimizer.step()
    # the first mean is 0.05 g, and 0.05 g + 0.95 * 0.05 g has the same factor as g
    expected = before - 0.01 * 0.5 * 3 * newton_schulz(g)
    assert np.allclose(network[1].weight.detach().reshape(3, 9), expected, atol=1e-5)


def test_muon_of_a_loaded_state_goes_on_bit_for_bit(tmp_path) -> None:
    def go(network: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> None:
        for seed in seeds:
            torch.manual_seed(seed)
            for parameter in network.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()

    settings = ResolvedTrainSettings(optimizer="muon", learning_rate=0.01, weight_decay=0.01)
    whole, first, second = normed(), normed(), normed()
    go(whole, build(whole, settings), range(6))
    optimizer = build(first, settings)
    go(first, optimizer, range(3))
    torch.save({"weights": first.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state")
    state = torch.load(tmp_path / "state", weights_only=True)
    resumed = build(second, settings)
    second.load_state_dict(state["weights"])
    resumed.load_state_dict(state["optimizer"])
    go(second, resumed, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_lowers_a_loss_and_takes_a_network_of_one_layer(name: str) -> None:
    torch.manual_seed(0)
    network, x = nn.Linear(4, 1), torch.randn(32, 4)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]])
    optimizer = build(network, ResolvedTrainSettings(optimizer=name, learning_rate=0.05))
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    json.dumps(optimizer.state_dict()["param_groups"])  # plain values, as a checkpoint wants them
