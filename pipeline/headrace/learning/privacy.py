"""Differential privacy of the train rows: what is asked for, and which settings do not go with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from headrace.config import Section
from headrace.errors import ConfigError

DELTA_EXPONENT = 1.1
CLASHES: dict[str, str] = {
    "accumulate": "a batch is taken in parts as it is, and its noise is added once",
    "cutmix": "a row would be in the gradients of others",
    "gradient_checkpointing": "gradients are taken row by row, a few rows at once",
    "gradient_clip": "privacy.clip bounds each row's gradient in its place",
    "mixup": "a row would be in the gradients of others",
    "sampling": "what is spent is known for rows that are drawn with one probability",
    "strategy": "a row's gradient is needed whole to be clipped",
}
"""Key of `train` that must keep its default beside `privacy` -> why."""
MEASURED = {"learning_rate": "it is found by trainings on the train rows, which spend too"}
"""Key of `train` that must not be `auto` beside `privacy` -> why."""


class Privacy(Section):
    """Trains by DP-SGD (Abadi et al. 2016, arXiv:1607.00133): the weights tell next to nothing of any one train row.

    What is guaranteed, and what is not, stands in docs/privacy.md.
    """

    epsilon: Annotated[float, Field(ge=0.01)]
    """The budget: leaving any one train row out changes no event's odds by more than e^epsilon; 1 is strong, 8 weak.

    A training that takes all its epochs spends it; one that stops early spends less.
    """
    delta: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability in which that may fail: less than 1 / train rows; null: train rows ^ -1.1."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """The L2 norm that each row's gradient is cut down to; the noise grows with it."""
    secure: bool = True
    """Whether sampling and noise come from a key of the operating system's, which is deleted after the training.

    false: from `train.seed`, so that the training can be repeated; whoever knows the seed can take the noise off,
    so that nothing is private: for trials.
    """


def delta_of(privacy: Privacy, num_rows: int) -> float:
    """The delta that holds for so many train rows; raises ConfigError for one that protects nobody.

    At 1 / rows, publishing one row drawn at random would be allowed (Dwork and Roth 2014, section 2.3).
    """
    delta = num_rows**-DELTA_EXPONENT if privacy.delta is None else privacy.delta
    if delta * num_rows >= 1:
        raise ConfigError(
            f"params.yaml: train.privacy.delta: {delta:g} is no protection of {num_rows} train rows; must be less than "
            f"1 / rows, {1 / max(num_rows, 1):.2g}; set null for rows ^ -{DELTA_EXPONENT}"
        )
    return delta


def clash(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> str | None:
    """What is wrong with the other settings of `train` beside `privacy`, or None."""
    for name, reason in CLASHES.items():
        if name in settings and settings[name] != defaults[name]:
            return f"does not go with train.{name}: {settings[name]}, since {reason}; take one of them out"
    for name, reason in MEASURED.items():
        if settings.get(name) == "auto":
            return f"does not go with train.{name}: auto, since {reason}; set a number"
    return None
