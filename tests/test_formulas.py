"""The formulas behind the recipes, each against hand-written NumPy."""

import json
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headrace.contracts import Batch, Json, Spec
from headrace.models import find_model
from headrace.models.network import build_network
from headrace.models.recurrent import RecurrentLayer
from headrace.storage import arrays, atomic, bundle
from headrace.tasks import TASKS
from headrace.training.fit import FitJob, WorkerContext, fit
from headrace.training.optim.optimizers import make_optimizer
from headrace.training.optim.schedules import SCHEDULES
from headrace.training.settings import ResolvedTrainSettings

Floats = NDArray[np.float64]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def tensor(values: Any) -> Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def close(values: Tensor, expected: Any, tolerance: float = 1e-6) -> bool:
    return bool(np.allclose(values.detach().numpy(), expected, rtol=tolerance, atol=tolerance))


# Forward


def sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-z))


def softmax(z: Floats) -> Floats:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def relu(z: Floats) -> Floats:
    return np.where(z > 0, z, 0.0)


@pytest.mark.parametrize(("name", "function"), [("sigmoid", sigmoid), ("tanh", np.tanh), ("relu", relu)])
def test_dense_layers_match_weights_bias_and_activation(name: str, function: Any) -> None:
    # z = W a_prev + b, a = f(z)
    network = find_model({"name": "mlp", "dense": [4], "activation": name}, "x").build([3], 2)
    w1, b1, w2, b2 = (weight.detach().double().numpy() for weight in network.parameters())
    a0 = 3 * rng().normal(size=(5, 3))
    assert close(network(tensor(a0)), function(a0 @ w1.T + b1) @ w2.T + b2)


def test_lstm_gates_match_their_formulas() -> None:
    # LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000): torch's rows are i f g o
    torch.manual_seed(0)
    layer = RecurrentLayer("lstm", 3, 2)
    w, u, b, c = (weight.detach().double().numpy() for weight in layer.cell.parameters())
    x, hidden, cell, states = rng().normal(size=(6, 3)), np.zeros(2), np.zeros(2), []
    for token in x:
        i, f, g, o = np.split(w @ token + b + u @ hidden + c, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
        states.append(hidden)
    assert close(layer(tensor(x)[None])[0], np.stack(states))


def cross_correlate(x: Floats, w: Floats, bias: Floats) -> Floats:
    """y_ij = sum_m sum_n x_(m+i, n+j) w_mn, over all input channels: cross-correlation, without padding."""
    height, width = x.shape[1] - w.shape[2] + 1, x.shape[2] - w.shape[3] + 1
    y = np.zeros((len(w), height, width))
    for k, i, j in np.ndindex(*y.shape):
        y[k, i, j] = bias[k] + sum(
            x[c, m + i, n + j] * w[k, c, m, n] for c, m, n in np.ndindex(len(x), w.shape[2], w.shape[3])
        )
    return y


def pool(x: Floats, function: Any) -> Floats:
    """Pools each 2x2 square; an odd last row or column is dropped."""
    return np.stack(
        [
            [[function(c[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]) for j in range(c.shape[1] // 2)]
             for i in range(c.shape[0] // 2)]
            for c in x
        ]
    )  # fmt: skip


def test_cnn_matches_cross_correlation_relu_and_max_pooling() -> None:
    model = find_model({"name": "cnn", "blocks": [3, "pool", 2], "dense": []}, "x")
    network = model.build([9, 11, 2], 4)
    w1, b1, w2, b2, w3, b3 = (weight.detach().double().numpy() for weight in network.parameters())
    x = rng().normal(size=(2, 9, 11))
    first = pool(relu(cross_correlate(x, w1, b1)), np.max)
    second = relu(cross_correlate(first, w2, b2))
    assert close(network(tensor(x)[None])[0], w3 @ second.ravel() + b3, 1e-5)


def test_convolution_layer_does_not_flip_the_kernel() -> None:
    network = find_model({"name": "cnn", "blocks": [1], "dense": []}, "x").build([5, 5, 1], 1)
    layer = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    weight, bias = (value.detach().double().numpy() for value in (layer.weight, layer.bias))
    x = rng().normal(size=(1, 5, 5))
    assert close(layer(tensor(x)[None])[0], cross_correlate(x, weight, bias))
    assert not close(layer(tensor(x)[None])[0], cross_correlate(x, weight[:, :, ::-1, ::-1], bias), 1e-3)


def test_average_pooling_is_the_mean_of_each_square() -> None:
    x = rng().normal(size=(2, 5, 6))
    assert close(nn.AvgPool2d(2)(tensor(x)[None])[0], pool(x, np.mean))
    assert close(nn.MaxPool2d(2)(tensor(x)[None])[0], pool(x, np.max))


# Losses


def batch_of(targets: Tensor) -> Batch:
    return Batch(torch.zeros(len(targets)), targets, torch.ones(len(targets)), len(targets))


def test_mean_squared_error_has_twice_the_gradient_of_its_half() -> None:
    # 1/n sum (y - yhat)^2 of standardized values; the form 1/(2m) is half of it and has half the gradient
    y, outputs, std = rng().normal(size=7), rng().normal(size=(7, 1)) + 1, 2.5
    values = tensor(outputs).requires_grad_()
    loss = TASKS["regression"].loss(values, batch_of(tensor(y)), {"kind": "mse", "std": std}) / 7
    error = (outputs[:, 0] - y) / std
    assert loss.item() == pytest.approx(np.mean(error**2), rel=1e-6)
    loss.backward()
    half_gradient = error / std / 7  # of 1/(2m) sum error^2
    assert values.grad is not None
    assert close(values.grad[:, 0], 2 * half_gradient)


def test_cross_entropy_matches_the_log_of_the_softmax() -> None:
    # -1/n sum log softmax(z)_y, and dJ/dz = (softmax(z) - onehot(y)) / n
    z, y = rng().normal(size=(6, 4)), np.array([0, 3, 1, 1, 2, 0])
    logits = tensor(z).requires_grad_()
    loss = TASKS["classification"].loss(logits, batch_of(torch.tensor(y)), {}) / 6
    assert loss.item() == pytest.approx(-np.mean(np.log(softmax(z)[np.arange(6), y])), rel=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert close(logits.grad, (softmax(z) - np.eye(4)[y]) / 6)


def test_cross_entropy_of_two_classes_is_binary_cross_entropy() -> None:
    # -1/n sum y log p + (1 - y) log(1 - p), where p is the sigmoid of the difference of the logits
    z, y = rng().normal(size=(6, 2)), np.array([0, 1, 1, 0, 1, 0])
    p = sigmoid(z[:, 1] - z[:, 0])
    loss = TASKS["classification"].loss(tensor(z), batch_of(torch.tensor(y)), {}) / 6
    assert loss.item() == pytest.approx(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), rel=1e-6)


# Back-propagation


def test_back_propagation_is_the_chain_rule_through_the_layers() -> None:
    # dJ/dW = dJ/dz a_prev^T, dJ/db = dJ/dz, dJ/da_prev = W^T dJ/dz, dJ/dz = dJ/da f'(z); summed over the rows
    network = find_model({"name": "mlp", "dense": [5]}, "x").build([3], 4)
    parameters = list(network.parameters())
    w1, b1, w2, b2 = (weight.detach().double().numpy() for weight in parameters)
    a0, y = rng().normal(size=(6, 3)), np.array([0, 3, 1, 1, 2, 0])
    z1 = a0 @ w1.T + b1
    a1 = relu(z1)
    dz2 = (softmax(a1 @ w2.T + b2) - np.eye(4)[y]) / 6
    dz1 = (dz2 @ w2) * (z1 > 0)
    (TASKS["classification"].loss(network(tensor(a0)), batch_of(torch.tensor(y)), {}) / 6).backward()
    expected = [dz1.T @ a0, dz1.sum(axis=0), dz2.T @ a1, dz2.sum(axis=0)]
    for parameter, gradient in zip(parameters, expected, strict=True):
        assert parameter.grad is not None
        assert close(parameter.grad, gradient)


def test_back_propagation_of_a_product_is_the_chain_rule() -> None:
    # System 002b: J = mean((x x^T - x y)^2). With d = 2 (x x^T - x y) / n: dJ/dx = d x + d^T x - d y^T, dJ/dy = -x^T d
    x, y = rng().normal(size=(3, 3)), rng().normal(size=(3, 3))
    a, b = tensor(x).requires_grad_(), tensor(y).requires_grad_()
    ((a @ a.T - a @ b) ** 2).mean().backward()
    d = 2 * (x @ x.T - x @ y) / x.size
    assert a.grad is not None
    assert b.grad is not None
    assert close(a.grad, d @ x + d.T @ x - d @ y.T, 1e-5)
    assert close(b.grad, -x.T @ d, 1e-5)


# Optimizers


def test_sgd_steps_along_the_mean_gradient_of_a_mini_batch() -> None:
    # theta <- theta - alpha 1/b sum over the batch of dJ_i/dtheta; Nesterov's first step (momentum 0.9) is 1.9 of that
    x, y = rng().normal(size=(8, 3)), rng().normal(size=8)
    network = find_model({"name": "linear"}, "x").build([3], 1)
    w, b = (weight.detach().double().numpy() for weight in network.parameters())
    optimizer = make_optimizer(network, {"name": "sgd"}, learning_rate=0.1, weight_decay=0.0)
    (TASKS["regression"].loss(network(tensor(x)), batch_of(tensor(y)), {"kind": "mse", "std": 1.0}) / 8).backward()
    optimizer.step()
    error = x @ w[0] + b[0] - y
    stepped_w, stepped_b = (weight for weight in network.parameters())
    assert close(stepped_w[0], w[0] - 0.1 * 1.9 * 2 * x.T @ error / 8)
    assert close(stepped_b, b - 0.1 * 1.9 * 2 * error.mean())


def test_adam_matches_its_algorithm() -> None:
    # Kingma and Ba 2015, algorithm 1: beta1 0.9, beta2 0.999, epsilon 1e-8
    gradients, theta = rng().normal(size=(5, 3)), rng().normal(size=3)
    network = nn.ParameterList([tensor(theta)])
    optimizer = make_optimizer(network, {"name": "adam"}, learning_rate=0.01, weight_decay=0.0)
    m = v = np.zeros(3)
    for step, g in enumerate(gradients, start=1):
        network[0].grad = tensor(g)
        optimizer.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta = theta - 0.01 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    assert close(network[0], theta)


def test_schedules_match_their_formulas() -> None:
    for done in np.linspace(0, 1, 101):
        rise = 0.04 + 0.96 * done / 0.25
        fall = (1 + cos(pi * (done - 0.25) / 0.75)) / 2
        expected = {"constant": 1.0, "cosine": (1 + cos(pi * done)) / 2, "one_cycle": rise if done < 0.25 else fall}
        multipliers = {name: SCHEDULES[name]().multiplier(round(100 * done), 100, 10) for name in expected}
        assert multipliers == pytest.approx(expected, abs=1e-12)


# Gradient descent through the trainer

ROWS, COLUMNS, STEPS, RATE = 60, 4, 40, 0.1
NUMERIC = {"kind": "numeric", "fill": 0.0, "center": 0.0, "scale": 1.0, "has_missing": False, "quantiles": None}
TRANSFORM: Json = {
    "input_shape": [COLUMNS],
    "inputs": [{**NUMERIC, "name": f"x{column}", "column": f"x{column}"} for column in range(COLUMNS)],
    "target": {"mean": 0.0, "std": 1.0},
}


def write_table(folder: Path, x: NDArray[np.float32], y: NDArray[np.float32]) -> Spec:
    """Writes the same rows for training and validation, so that the last step is the best one."""
    spec = Spec(
        modality="table", task="regression", source="drawn", format="table", num_rows=ROWS, target="y",
        columns=[{"name": f"x{column}", "kind": "numeric"} for column in range(COLUMNS)], input_shape=[COLUMNS],
    )  # fmt: skip
    for split in ("train", "val"):
        split_arrays = arrays.create_arrays(
            folder / split, num_rows=ROWS, input_shape=[COLUMNS], modality="table", task="regression"
        )
        split_arrays.put(np.arange(ROWS), x, y)
        split_arrays.row_ids[:] = [f"{split}{row:026d}".encode() for row in range(ROWS)]
        split_arrays.close()
    atomic.write_json(folder / "transform.json", TRANSFORM)
    atomic.write_text(folder / "spec.json", spec.to_json())
    return spec


def gradient_descent(x: Floats, y: Floats, theta: Floats, alpha: float) -> Floats:
    """The program of system 002a: theta <- theta - alpha (1/m) X^T (X theta - y), a fixed number of times."""
    for _ in range(STEPS):
        theta = theta - alpha / len(x) * x.T @ (x @ theta - y)
    return theta


def test_trainer_with_full_batches_matches_gradient_descent_in_numpy(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    x = rng().normal(size=(ROWS, COLUMNS)).astype(np.float32)
    y = (x @ [0.5, -1.0, 0.25, 2.0] + 0.3 + 0.1 * rng().normal(size=ROWS)).astype(np.float32)
    spec = write_table(tmp_path / "data", x, y)
    settings = {
        "model": {"name": "linear"}, "optimizer": "gd", "learning_rate": RATE, "loss": "mse",
        "schedule": "constant",
        "batch_size": 10 * ROWS, "max_epochs": STEPS, "early_stopping": {"patience": 0}, "num_workers": 0,
    }  # fmt: skip
    (tmp_path / "work").mkdir()
    fit(
        FitJob(tmp_path / "data", tmp_path / "work", ResolvedTrainSettings(**settings)),
        lambda _: None,
        WorkerContext(num_threads=1),
    )
    result = json.loads((tmp_path / "work" / "fit.json").read_text())
    assert (result["steps"], result["best_epoch"]) == (STEPS, STEPS - 1)

    torch.manual_seed(0)  # the initial weights follow from the seed
    first = dict(build_network({"name": "linear"}, spec, TRANSFORM).named_parameters())
    weights = load_file(tmp_path / "work" / bundle.WEIGHTS)
    (weight,), (bias,) = ([name for name in weights if name.endswith(kind)] for kind in ("weight", "bias"))
    ones = np.hstack([x, np.ones((ROWS, 1))]).astype(np.float64)
    start = np.append(first[weight].detach().numpy(), first[bias].detach().numpy()).astype(np.float64)
    # the mean square has twice the gradient of 1/(2m) sum (X theta - y)^2
    expected = gradient_descent(ones, y.astype(np.float64), start, 2 * RATE)
    assert np.abs(np.append(weights[weight], weights[bias]) - expected).max() < 1e-6
    assert np.abs(expected - start).max() > 0.1
