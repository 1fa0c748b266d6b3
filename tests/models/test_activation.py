from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from headrace.models.activation import ACTIVATIONS, make_activation
from headrace.models.cnn import Cnn, ResNet
from headrace.models.mlp import Mlp
from headrace.models.options import ActivationName
from headrace.models.table import ResMlp

FORMULAS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": expit,
    "gelu": lambda z: z * ndtr(z),
    "silu": lambda z: z * expit(z),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_matches_its_formula(name: ActivationName) -> None:
    values = np.linspace(-6, 6, 101)
    np.testing.assert_allclose(
        make_activation(name)(torch.from_numpy(values)).numpy(), FORMULAS[name](values), atol=1e-12
    )


@pytest.mark.parametrize("model", [Mlp, Cnn, ResNet, ResMlp])
def test_network_has_only_the_chosen_activation(model: type[Mlp | Cnn | ResNet | ResMlp]) -> None:
    input_shape = [7] if model is ResMlp else [16, 16, 3]
    for name, kind in ACTIVATIONS.items():
        layers = list(model(activation=name).build(input_shape, 3).modules())
        assert any(type(layer) is kind for layer in layers)
        assert not any(type(layer) in set(ACTIVATIONS.values()) - {kind} for layer in layers)
