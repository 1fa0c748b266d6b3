import torch
from torch import nn

from headrace.training.callbacks.l1 import L1Penalty


def test_penalty_adds_the_gradient_of_the_sum_of_the_weights_sizes() -> None:
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
    sum(0.01 * twin[place].abs().sum() for place in (0, 4)).backward()  # type: ignore[union-attr] # the two matrices
    for parameter, gradient, own in zip(network.parameters(), before, twin, strict=True):
        assert parameter.grad is not None
        expected = gradient if own.grad is None else gradient + own.grad
        torch.testing.assert_close(parameter.grad, expected)
    assert network[0].weight.grad[0, 0] == before[0][0, 0], "at 0 it pulls nowhere"


def test_penalty_passes_over_weights_without_a_gradient() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4))
    network[1].weight.grad = torch.zeros(4, 3)
    penalty = L1Penalty(0.5)
    penalty.on_train_start(None, network)  # type: ignore[arg-type]
    penalty.on_before_optimizer_step(None, network, None)  # type: ignore[arg-type]
    assert network[0].weight.grad is None
    assert torch.equal(network[1].weight.grad, 0.5 * network[1].weight.sign())
