"""The privacy cost of a training, by opacus' accountant of privacy loss random variables (Gopi et al. 2021).

It treats every step as a Gaussian mechanism on a Poisson sample, and gives an upper bound.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt
from typing import Any

from headrace.contracts import Metrics

RELATIVE_ERROR = 0.01
MIN_ERROR, MAX_ERROR = 0.001, 0.1


@dataclass(frozen=True)
class PrivacyBudget:
    """The budget of a training, and the probability that a step uses a given row."""

    epsilon: float
    delta: float
    sample_rate: float

    @property
    def error(self) -> float:
        """Tolerance of the accountant's bound: smaller ones take more time and memory."""
        return min(MAX_ERROR, max(MIN_ERROR, RELATIVE_ERROR * self.epsilon))

    def compute_epsilon(self, noise_multiplier: float, num_steps: int) -> float:
        """Returns the epsilon that this number of steps spends at `delta`; 0 for no steps."""
        from opacus.accountants import PRVAccountant

        if not num_steps:
            return 0.0
        return self._run(PRVAccountant(), noise_multiplier, num_steps, eps_error=self.error)

    def _compute_loose_epsilon(self, noise_multiplier: float, num_steps: int) -> float:
        """Returns a looser bound that is fast to compute (Mironov 2017)."""
        from opacus.accountants import RDPAccountant

        return self._run(RDPAccountant(), noise_multiplier, num_steps)

    def _run(self, accountant: Any, noise_multiplier: float, num_steps: int, **options: float) -> float:
        accountant.history = [(noise_multiplier, self.sample_rate, num_steps)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about orders with even looser bounds
            return float(accountant.get_epsilon(delta=self.delta, **options))

    @lru_cache(maxsize=8)  # noqa: B019 holds a few numbers
    def noise_multiplier(self, num_steps: int) -> float:
        """Returns the smallest noise, as standard deviation in units of `clip`, that keeps the steps within the budget.

        Its epsilon is exact up to `error`. The search starts from above, since accounting for little noise is slow: at
        the noise that is enough if steps use all rows (Dwork and Roth 2014, theorem A.1, with variances that add up).
        """
        high = sqrt(2 * log(1.25 / self.delta) * num_steps) / min(self.epsilon, 1.0)
        while self._compute_loose_epsilon(high / 2, num_steps) <= self.epsilon:
            high /= 2
        low, spent = high / 2, self.compute_epsilon(high, num_steps)
        while (halved := self.compute_epsilon(low, num_steps)) <= self.epsilon:
            high, low, spent = low, low / 2, halved
        while self.epsilon - spent > self.error:
            middle = (low + high) / 2
            middle_spent = self.compute_epsilon(middle, num_steps)
            if middle_spent <= self.epsilon:
                high, spent = middle, middle_spent
            else:
                low = middle
        return high

    def make_metrics(self, noise_multiplier: float, num_steps: int) -> Metrics:
        """Returns the privacy metrics of metrics/train.json."""
        epsilon = self.compute_epsilon(noise_multiplier, num_steps)
        return {"epsilon": epsilon, "delta": self.delta, "noise_multiplier": noise_multiplier}
