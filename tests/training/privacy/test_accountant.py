from math import exp, sqrt

import pytest
from scipy.stats import norm

from headrace.training.privacy.accountant import PrivacyBudget


def test_epsilon_is_that_of_opacus_step_by_step() -> None:
    from opacus.accountants import PRVAccountant

    budget, accountant = PrivacyBudget(2.0, 1e-5, 0.01), PRVAccountant()
    for _ in range(30):
        accountant.step(noise_multiplier=1.1, sample_rate=0.01)
    assert budget.compute_epsilon(1.1, 30) == pytest.approx(accountant.get_epsilon(1e-5), abs=0.02)
    assert budget.make_metrics(1.1, 30) == {
        "epsilon": budget.compute_epsilon(1.1, 30), "delta": 1e-5, "noise_multiplier": 1.1
    }  # fmt: skip


def test_full_batches_spend_as_one_gaussian_mechanism() -> None:
    """Balle and Wang (2018), theorem 8: 16 mechanisms of sigma 40 are equivalent to one of sigma 10."""
    sigma, epsilon = 40.0 / sqrt(16), PrivacyBudget(0.5, 1e-3, 1.0).compute_epsilon(40.0, 16)
    delta = norm.cdf(1 / (2 * sigma) - epsilon * sigma) - exp(epsilon) * norm.cdf(-1 / (2 * sigma) - epsilon * sigma)
    assert 0.8e-3 < delta <= 1e-3


@pytest.mark.parametrize(("epsilon", "sample_rate"), [(0.3, 0.05), (3.0, 0.05), (30.0, 0.05), (3.0, 1.0)])
def test_noise_is_the_smallest_within_the_budget(epsilon: float, sample_rate: float) -> None:
    budget = PrivacyBudget(epsilon, 1e-4, sample_rate)
    noise = budget.noise_multiplier(20)
    assert epsilon - budget.error <= budget.compute_epsilon(noise, 20) <= epsilon
    assert budget.compute_epsilon(0.95 * noise, 20) > epsilon


def test_fewer_steps_spend_less() -> None:
    budget = PrivacyBudget(1.0, 1e-4, 0.05)
    costs = [budget.compute_epsilon(1.0, num_steps) for num_steps in (0, 1, 10, 100)]
    assert costs == sorted(costs)
    assert costs[0] == 0 < costs[1] < costs[3] / 2
