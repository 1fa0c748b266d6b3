import numpy as np
import pytest
import torch

from headrace.tasks.losses import sigmoid_losses, softmax_losses, value_losses


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_loss_matches_numpy(gamma: float, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(0, 3, (6, 4)), rng.integers(0, 4, 6)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    smoothed = np.full((6, 4), smoothing / 4)
    smoothed[np.arange(6), targets] += 1 - smoothing
    p = probabilities[np.arange(6), targets]
    expected = -(smoothed * np.log(probabilities)).sum(axis=1) * (1 - p) ** gamma
    options = {"gamma": gamma, "label_smoothing": smoothing}
    losses = softmax_losses(torch.tensor(logits), torch.tensor(targets), options)
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss_of_a_confident_row_has_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    softmax_losses(logits, torch.tensor([0, 0]), {"gamma": gamma}).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[1].any()


@pytest.mark.parametrize("gamma", [None, 0.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [3.0, 0.5, 1.0]])
def test_sigmoid_losses_match_numpy(gamma: float | None, smoothing: float, weights: list[float] | None) -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(0, 3, (9, 3)), (rng.random((9, 3)) < 0.4).astype(float)
    probabilities, smoothed = 1 / (1 + np.exp(-logits)), targets * (1 - smoothing) + smoothing / 2
    expected = -(smoothed * np.log(probabilities) + (1 - smoothed) * np.log(1 - probabilities))
    options: dict[str, object] = {"label_smoothing": smoothing}
    if gamma is not None:
        options["gamma"] = gamma
        expected *= (1 - np.where(targets > 0, probabilities, 1 - probabilities)) ** gamma
    if weights is not None:
        options["positive_weights"] = weights
        expected *= np.where(targets > 0, weights, 1)
    losses = sigmoid_losses(torch.tensor(logits), torch.tensor(targets), options)
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("kind", "expected"), [("mse", [0.25, 9.0]), ("mae", [0.5, 3.0]), ("huber", [0.125, 2.5])])
def test_value_losses_match_their_formulas(kind: str, expected: list[float]) -> None:
    losses = value_losses(torch.tensor([1.5, -2.0]), torch.tensor([1.0, 1.0]), kind)
    assert losses.tolist() == pytest.approx(expected)
