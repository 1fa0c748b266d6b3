"""Groups of a network's parameters: weights, others, and the matrices inside it."""

from __future__ import annotations

from torch import Tensor, nn


def split_weights(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Returns matrices, kernels and embeddings; then biases, scales of normalization and other vectors.

    Penalties apply to the first only: a small bias or scale does not make a function simpler.
    """
    weights: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        is_bias = name.rpartition(".")[2].startswith("bias")
        (others if is_bias or parameter.ndim < 2 else weights).append(parameter)  # noqa: PLR2004 a vector has one side
    return weights, others


def find_inner_matrices(network: nn.Module) -> list[Tensor]:
    """Returns the weights of all dense layers and convolutions except the last one, whose rows are classes."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    return [layer.weight for layer in layers[:-1]]
