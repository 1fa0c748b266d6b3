import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tasks.losses import softmax_losses


@given(seed=st.integers(0, 999), gamma=st.sampled_from([0.0, 0.5, 2.0, 5.0]), smoothing=st.sampled_from([0.0, 0.1]))
def test_focal_loss_is_numpys(seed: int, gamma: float, smoothing: float) -> None:
    rng = np.random.default_rng(seed)
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
