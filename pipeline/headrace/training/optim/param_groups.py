"""Which of a network's parameters are weights, and which of these lie inside it."""

from __future__ import annotations

from torch import Tensor, nn


def weights_and_rest(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Matrices, kernels and tables of vectors; then biases, scales of norms and other single vectors.

    A penalty shrinks the first alone: a small bias or scale is no simpler a function.
    """
    weights: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        is_bias = name.rpartition(".")[2].startswith("bias")
        (rest if is_bias or parameter.ndim < 2 else weights).append(parameter)  # noqa: PLR2004 a vector has one side
    return weights, rest


def inner_matrices(network: nn.Module) -> list[Tensor]:
    """Weights of all dense layers and convolutions but the last one, whose rows are classes."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    return [layer.weight for layer in layers[:-1]]
