import numpy as np
import pytest
import torch

from headrace.tasks.losses import sigmoid_losses, softmax_losses


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_loss_is_numpys(gamma: float, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(0, 3, (6, 4)), rng.integers(0, 4, 6)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = np.full((6, 4), smoothing / 4)
    wanted[np.arange(6), targets] += 1 - smoothing
    p = shares[np.arange(6), targets]
    expected = -(wanted * np.log(shares)).sum(axis=1) * (1 - p) ** gamma
    options = {"gamma": gamma, "label_smoothing": smoothing}
    found = softmax_losses(torch.tensor(logits), torch.tensor(targets), options)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss_of_a_sure_row_has_a_finite_slope(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    softmax_losses(logits, torch.tensor([0, 0]), {"gamma": gamma}).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[1].any()


@pytest.mark.parametrize("gamma", [None, 0.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [3.0, 0.5, 1.0]])
def test_sigmoid_losses_are_numpys(gamma: float | None, smoothing: float, weights: list[float] | None) -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(0, 3, (9, 3)), (rng.random((9, 3)) < 0.4).astype(float)
    shares, wanted = 1 / (1 + np.exp(-logits)), targets * (1 - smoothing) + smoothing / 2
    expected = -(wanted * np.log(shares) + (1 - wanted) * np.log(1 - shares))
    options: dict[str, object] = {"label_smoothing": smoothing}
    if gamma is not None:
        options["gamma"] = gamma
        expected *= (1 - np.where(targets > 0, shares, 1 - shares)) ** gamma
    if weights is not None:
        options["positive_weights"] = weights
        expected *= np.where(targets > 0, weights, 1)
    found = sigmoid_losses(torch.tensor(logits), torch.tensor(targets), options)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-12)
