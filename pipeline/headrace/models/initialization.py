"""First weights, drawn from torch's seed. Norms (1 and 0), positions and class tokens keep those of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from headrace.models.options import InitName

LARGEST_OF_EMBEDDING = 0.05
"""Keras draws embeddings from -0.05 to 0.05 (https://keras.io/api/layers/initializers: RandomUniform)."""
N = TypeVar("N", bound=nn.Module)


def _kaiming(weight: Tensor) -> None:
    """Normal, of variance 2 / inputs: He et al. (2015), Delving Deep into Rectifiers, equation 10."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def _xavier(weight: Tensor) -> None:
    """Normal, of variance 2 / (inputs + outputs): Glorot and Bengio (2010), equation 12."""
    nn.init.xavier_normal_(weight)


def _keras(weight: Tensor) -> None:
    """Uniform within sqrt(6 / (inputs + outputs)), of the same variance: Glorot and Bengio (2010), equation 16."""
    nn.init.xavier_uniform_(weight)


DRAWS: dict[InitName, Callable[[Tensor], None]] = {"kaiming": _kaiming, "xavier": _xavier, "keras": _keras}
"""Name -> what fills a weight matrix or a convolution's kernel; biases are then 0."""


def initialised(network: N, init: InitName) -> N:
    """The same network with the weights that `init` names; `default` draws nothing and leaves torch's."""
    if init == "default":
        return network
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            DRAWS[init](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.RNNBase):
            _fill_recurrent(module, init)
        elif isinstance(module, nn.Embedding) and init == "keras":
            _fill_embedding(module)
    return network


def _fill_recurrent(cell: nn.RNNBase, init: InitName) -> None:
    """All gates of a matrix are drawn at once; Keras's states start orthogonal, and its LSTMs remember (bias 1)."""
    for name, weight in cell.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
        elif init == "keras" and name.startswith("weight_hh"):
            nn.init.orthogonal_(weight)
        else:
            DRAWS[init](weight)
    if init == "keras" and isinstance(cell, nn.LSTM):
        with torch.no_grad():
            for bias in (weight for name, weight in cell.named_parameters() if name.startswith("bias_ih")):
                bias[cell.hidden_size : 2 * cell.hidden_size] = 1  # gates in torch's order: input, forget, cell, output


def _fill_embedding(embedding: nn.Embedding) -> None:
    nn.init.uniform_(embedding.weight, -LARGEST_OF_EMBEDDING, LARGEST_OF_EMBEDDING)
    if embedding.padding_idx is not None:
        with torch.no_grad():
            embedding.weight[embedding.padding_idx] = 0
