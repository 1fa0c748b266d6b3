"""What a private training spends: opacus' accountant of privacy loss random variables (Gopi et al. 2021).

It takes every step for a Gaussian mechanism on a Poisson sample, and gives an upper bound.
"""

from __future__ import annotations

import warnings

from pipeline.contracts import Metrics
from pipeline.errors import ConfigError
from pipeline.learning.privacy import Privacy, delta_of

SHARE_OF_ERROR = 0.01
LARGEST_ERROR = 0.1


def noise_multiplier(privacy: Privacy, *, num_rows: int, sample_rate: float, num_steps: int) -> float:
    """The least standard deviation of the noise, in units of `clip`, at which so many steps keep to the budget.

    To one per cent of epsilon. Raises ConfigError where no noise is enough.
    """
    from opacus.accountants.utils import get_noise_multiplier

    delta, error = delta_of(privacy, num_rows), _error(privacy.epsilon)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bounds that it tries on its way
            found = get_noise_multiplier(
                target_epsilon=privacy.epsilon,
                target_delta=delta,
                sample_rate=sample_rate,
                steps=num_steps,
                accountant="prv",
                epsilon_tolerance=error,
                eps_error=error,
            )
    except (ValueError, RuntimeError) as refused:
        raise ConfigError(
            f"params.yaml: train.privacy.epsilon: {privacy.epsilon:g} cannot be kept to in {num_steps} steps at delta "
            f"{delta:.2g} ({str(refused).rstrip('.')}); raise it, or lower train.max_epochs"
        ) from None
    return float(found)


def spent(
    privacy: Privacy, noise: float, *, num_rows: int, sample_rate: float, num_steps: int
) -> Metrics:
    """`epsilon` at `delta` after `num_steps` steps of noise multiplier `noise`: the figures of metrics/train.json."""
    from opacus.accountants import PRVAccountant

    accountant, delta = PRVAccountant(), delta_of(privacy, num_rows)
    accountant.history = [(noise, sample_rate, num_steps)]
    epsilon = accountant.get_epsilon(delta=delta, eps_error=_error(privacy.epsilon))
    return {"epsilon": float(epsilon), "delta": delta, "noise_multiplier": noise}


def _error(epsilon: float) -> float:
    """How far the accountant's bound may be from the truth: finer ones take longer."""
    return min(LARGEST_ERROR, SHARE_OF_ERROR * epsilon)
