"""Activations by name."""

from __future__ import annotations

from torch import nn

from headrace.models.options import ActivationName

ACTIVATIONS: dict[ActivationName, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
"""Name -> max(0, z), tanh(z), 1 / (1 + e^-z), z Phi(z) (Hendrycks and Gimpel 2016), z sigmoid(z) (Elfwing et al. 2018).

GELU is exact, not the approximation by tanh.
"""


def make_activation(name: ActivationName) -> nn.Module:
    """Returns a new layer that preserves the shape of its input."""
    return ACTIVATIONS[name]()
