import torch
from torch import nn

from headrace.paths import Paths
from headrace.training.callbacks.l1 import L1Penalty
from tests.training.short_fit import load_result, load_weights, train


def test_penalty_adds_the_gradient_of_the_sum_of_absolute_weights() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    with torch.no_grad():
        network[0].weight[0, 0] = 0.0
    before = [torch.randn_like(parameter) for parameter in network.parameters()]
    for parameter, gradient in zip(network.parameters(), before, strict=True):
        parameter.grad = gradient.clone()
    penalty = L1Penalty(0.01)
    penalty.on_train_start(None, network)  # type: ignore[arg-type]
    penalty.on_before_optimizer_step(None, network, None)  # type: ignore[arg-type]

    twin = [parameter.detach().clone().requires_grad_() for parameter in network.parameters()]
    sum(0.01 * twin[index].abs().sum() for index in (0, 4)).backward()  # type: ignore[union-attr] # the two matrices
    for parameter, gradient, own in zip(network.parameters(), before, twin, strict=True):
        assert parameter.grad is not None
        expected = gradient if own.grad is None else gradient + own.grad
        torch.testing.assert_close(parameter.grad, expected)
    assert network[0].weight.grad[0, 0] == before[0][0, 0], "the gradient at 0 is 0"


def test_penalty_skips_weights_without_a_gradient() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4))
    network[1].weight.grad = torch.zeros(4, 3)
    penalty = L1Penalty(0.5)
    penalty.on_train_start(None, network)  # type: ignore[arg-type]
    penalty.on_before_optimizer_step(None, network, None)  # type: ignore[arg-type]
    assert network[0].weight.grad is None
    assert torch.equal(network[1].weight.grad, 0.5 * network[1].weight.sign())


def test_penalty_makes_weights_smaller_and_is_not_reported(trained: Paths) -> None:
    sizes, losses = [], []
    for strength in (0.0, 0.02):
        work_dir = train(trained, f"{strength}", l1=strength)
        sizes.append(sum(float(w.abs().sum()) for name, w in load_weights(work_dir).items() if "weight" in name))
        losses.append(load_result(work_dir)["history"][0]["train_loss"])
    assert sizes[1] < 0.7 * sizes[0]
    assert losses[1] < 3.0
