import math

import pytest
import torch
from torch import nn

from headrace.config import Section
from headrace.models import MODELS
from headrace.models.cnn import Cnn
from headrace.models.initialization import initialize_weights
from headrace.models.mlp import Mlp
from headrace.models.text import Rnn, TextMean

INPUT_SHAPES = {"image": [16, 20, 3], "table": [7], "text": [9, 30]}


def build(model: Section, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    network: nn.Module = model.build(INPUT_SHAPES[model.modalities[0]], 4)  # type: ignore[attr-defined]
    return network


@pytest.mark.parametrize("name", MODELS)
def test_every_model_supports_every_init_from_the_seed(name: str) -> None:
    states = {init: build(MODELS[name](init=init)).state_dict() for init in ("default", "kaiming", "xavier", "keras")}
    again = build(MODELS[name](init="keras")).state_dict()
    assert all(torch.equal(again[key], states["keras"][key]) for key in again)
    matrices = [key for key in again if key.endswith("weight") and again[key].dim() > 1 and "embedding" not in key]
    assert matrices
    for key in matrices:
        assert len({tuple(state[key].flatten().tolist()) for state in states.values()}) == 4, key


@pytest.mark.parametrize(
    ("init", "std"),
    [("kaiming", math.sqrt(2 / 600)), ("xavier", math.sqrt(2 / 1000)), ("keras", math.sqrt(2 / 1000))],
)
def test_dense_weights_have_the_expected_deviation_and_biases_are_zero(init: str, std: float) -> None:
    layer = initialize_weights(nn.Linear(600, 400), init)  # type: ignore[arg-type]
    assert layer.weight.std().item() == pytest.approx(std, rel=0.01)
    assert abs(layer.weight.mean().item()) < 0.01 * math.sqrt(std)
    assert not layer.bias.any()


def test_keras_weights_are_within_the_limit_of_glorot() -> None:
    convolution = next(
        layer for layer in build(Cnn(init="keras", blocks=[32])).modules() if isinstance(layer, nn.Conv2d)
    )
    limit = math.sqrt(6 / (3 * 9 + 32 * 9))
    assert 0.98 * limit < convolution.weight.abs().max().item() <= limit
    assert not convolution.bias.any()  # type: ignore[union-attr]


def test_keras_embedding_of_padding_is_zero() -> None:
    weight = build(TextMean(init="keras")).embedding.weight  # type: ignore[union-attr]
    assert 0.049 < weight.abs().max() <= 0.05
    assert not weight[0].any()


def test_keras_lstm_is_orthogonal_with_a_forget_bias_of_1() -> None:
    cell = next(part for part in build(Rnn(init="keras", hidden=6)).modules() if isinstance(part, nn.LSTM))
    state = cell.weight_hh_l0
    torch.testing.assert_close(state.T @ state, torch.eye(6))
    bias = (cell.bias_ih_l0 + cell.bias_hh_l0).reshape(4, 6)
    assert bias.tolist() == [[0.0] * 6, [1.0] * 6, [0.0] * 6, [0.0] * 6]


def test_default_init_draws_nothing() -> None:
    network = build(Mlp())
    before, state = torch.random.get_rng_state(), {key: value.clone() for key, value in network.state_dict().items()}
    assert initialize_weights(network, "default") is network
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
