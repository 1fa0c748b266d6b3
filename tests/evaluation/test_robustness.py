import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.evaluation import robustness
from headrace.evaluation.robustness import accuracy_under_noise

TARGETS = np.arange(600) % 2
INPUTS = np.broadcast_to(np.where(TARGETS == 1, 138, 118).astype(np.uint8)[:, None, None, None], (600, 2, 2, 1))


def brightness(inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A model that predicts class 1 for images brighter than the middle."""
    mean = inputs.astype(np.float32).mean(axis=(1, 2, 3))
    return np.stack([128 - mean, mean - 128], axis=1)


def accuracies(seed: int = 0) -> list[float]:
    return accuracy_under_noise(brightness, INPUTS, TARGETS, sigmas=[0.1, 20, 80], seed=seed)


def test_accuracy_under_noise_follows_the_normal_distribution() -> None:
    from statistics import NormalDist

    # the mean of 4 pixels is 10 levels from the threshold: correct with probability Phi(10 / (sigma / 2))
    expected = [NormalDist().cdf(20 / sigma) for sigma in (0.1, 20, 80)]
    assert accuracies() == pytest.approx(expected, abs=0.05)


def test_accuracy_under_noise_depends_only_on_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert accuracies() == accuracies()
    assert accuracies() != accuracies(seed=1)
    monkeypatch.setattr(
        robustness, "ROWS_PER_DRAW", 64
    )  # generators fill in order, so the size of a draw changes nothing
    in_small_draws = accuracies()
    monkeypatch.undo()
    assert in_small_draws == accuracies()


def test_accuracy_under_noise_without_sigmas_is_empty() -> None:
    assert accuracy_under_noise(brightness, INPUTS, TARGETS, sigmas=[], seed=0) == []
