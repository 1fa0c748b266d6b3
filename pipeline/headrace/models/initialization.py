"""Weight initialization, drawn from torch's seed. Norms, positions and class tokens have their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from headrace.models.options import InitName

MAX_EMBEDDING = 0.05
"""Keras draws embeddings uniformly from -0.05 to 0.05 (https://keras.io/api/layers/initializers: RandomUniform)."""
Network = TypeVar("Network", bound=nn.Module)


def _kaiming(weight: Tensor) -> None:
    """Normal with variance 2 / inputs: He et al. (2015), Delving Deep into Rectifiers, equation 10."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def _xavier(weight: Tensor) -> None:
    """Normal with variance 2 / (inputs + outputs): Glorot and Bengio (2010), equation 12."""
    nn.init.xavier_normal_(weight)


def _keras(weight: Tensor) -> None:
    """Uniform within sqrt(6 / (inputs + outputs)), with the same variance: Glorot and Bengio (2010), equation 16."""
    nn.init.xavier_uniform_(weight)


INITIALIZERS: dict[InitName, Callable[[Tensor], None]] = {"kaiming": _kaiming, "xavier": _xavier, "keras": _keras}
"""Name -> initializer of a weight matrix or convolution kernel; biases are set to 0."""


def initialize_weights(network: Network, init: InitName) -> Network:
    """Initializes the weights in place and returns the network; `default` leaves torch's weights untouched."""
    if init == "default":
        return network
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            INITIALIZERS[init](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.RNNBase):
            _fill_recurrent(module, init)
        elif isinstance(module, nn.Embedding) and init == "keras":
            _fill_embedding(module)
    return network


def _fill_recurrent(cell: nn.RNNBase, init: InitName) -> None:
    """Draws all gates of a matrix at once; as Keras does, with orthogonal recurrent weights and a forget bias of 1."""
    for name, weight in cell.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
        elif init == "keras" and name.startswith("weight_hh"):
            nn.init.orthogonal_(weight)
        else:
            INITIALIZERS[init](weight)
    if init == "keras" and isinstance(cell, nn.LSTM):
        with torch.no_grad():
            for bias in (weight for name, weight in cell.named_parameters() if name.startswith("bias_ih")):
                bias[cell.hidden_size : 2 * cell.hidden_size] = 1  # torch's order of gates: input, forget, cell, output


def _fill_embedding(embedding: nn.Embedding) -> None:
    nn.init.uniform_(embedding.weight, -MAX_EMBEDDING, MAX_EMBEDDING)
    if embedding.padding_idx is not None:
        with torch.no_grad():
            embedding.weight[embedding.padding_idx] = 0
