"""What a private training spends: opacus' accountant of privacy loss random variables (Gopi et al. 2021).

It takes every step for a Gaussian mechanism on a Poisson sample, and gives an upper bound.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt
from typing import Any

from headrace.contracts import Metrics

SHARE_OF_ERROR = 0.01
ERRORS = (0.001, 0.1)


@dataclass(frozen=True)
class PrivacyBudget:
    """What a training may spend, and the probability in which each of its steps takes a row."""

    epsilon: float
    delta: float
    sample_rate: float

    @property
    def error(self) -> float:
        """How far the accountant's bound may be from the truth: finer ones take longer, and more memory."""
        least, greatest = ERRORS
        return min(greatest, max(least, SHARE_OF_ERROR * self.epsilon))

    def epsilon_of(self, noise_multiplier: float, num_steps: int) -> float:
        """The epsilon that so many steps spend at `delta`; 0 for none."""
        from opacus.accountants import PRVAccountant

        return self._asked(PRVAccountant(), noise_multiplier, num_steps, eps_error=self.error) if num_steps else 0.0

    def _looser(self, noise_multiplier: float, num_steps: int) -> float:
        """A bound that is quick to compute (Mironov 2017)."""
        from opacus.accountants import RDPAccountant

        return self._asked(RDPAccountant(), noise_multiplier, num_steps)

    def _asked(self, accountant: Any, noise_multiplier: float, num_steps: int, **options: float) -> float:
        accountant.history = [(noise_multiplier, self.sample_rate, num_steps)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of orders whose bounds are looser yet
            return float(accountant.get_epsilon(delta=self.delta, **options))

    @lru_cache(maxsize=8)  # noqa: B019 of a few numbers
    def noise_multiplier(self, num_steps: int) -> float:
        """The least standard deviation of the noise, in units of `clip`, at which so many steps keep to the budget.

        To `error` of epsilon. It is sought from above, since little noise is slow to account for: from what is enough
        for steps that see all rows (Dwork and Roth 2014, theorem A.1, of variances that add up).
        """
        high = sqrt(2 * log(1.25 / self.delta) * num_steps) / min(self.epsilon, 1.0)
        while self._looser(high / 2, num_steps) <= self.epsilon:
            high /= 2
        low, spent = high / 2, self.epsilon_of(high, num_steps)
        while (halved := self.epsilon_of(low, num_steps)) <= self.epsilon:
            high, low, spent = low, low / 2, halved
        while self.epsilon - spent > self.error:
            middle = (low + high) / 2
            found = self.epsilon_of(middle, num_steps)
            if found <= self.epsilon:
                high, spent = middle, found
            else:
                low = middle
        return high

    def told(self, noise_multiplier: float, num_steps: int) -> Metrics:
        """The figures of metrics/train.json."""
        epsilon = self.epsilon_of(noise_multiplier, num_steps)
        return {"epsilon": epsilon, "delta": self.delta, "noise_multiplier": noise_multiplier}
