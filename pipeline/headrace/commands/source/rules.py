"""The table of rules by which a new project's settings are guessed, from modality and number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log2
from typing import NamedTuple

from headrace.contracts import Json, ModalityName

LEAD = 0.02
"""By how much a network must beat the baseline that ignores its inputs: in accuracy, micro F1 or R2."""
LEAD_OF_REST = 0.2
"""The lead is at most this fraction of what that baseline leaves: 2 points are out of reach above a class of 99 %."""
MIN_GATE_ROWS = 30
"""Validation rows that the gate needs for a verdict: fewer would pass, or fail, by chance."""
MANY_ROWS = 10_000
"""From here on, a tenth of the rows is enough for validation, and another one for the test."""
SMALLEST_MAP = 4
"""Pixels per side down to which convolutions are pooled."""
CHANNELS = (16, 32, 64, 128, 128)


class TrainingRule(NamedTuple):
    """A training for data of one modality up to some number of rows."""

    below: float
    """Rows, over all splits."""
    model: Json
    batch_size: int
    learning_rate: float
    max_epochs: int
    patience: int
    reason: str
    image_side: int = 0
    """Largest side in pixels that images are reduced to."""


TRAINING_RULES: dict[ModalityName, tuple[TrainingRule, ...]] = {
    "table": (
        TrainingRule(
            500,
            {"name": "mlp", "dense": [32], "dropout": 0.1},
            *(16, 5.0e-3, 40, 12),
            "as for 178 wines: few rows need small batches and many epochs",
        ),
        TrainingRule(
            5_000,
            {"name": "mlp", "dense": [32], "dropout": 0.1},
            *(32, 3.0e-3, 40, 12),
            "as for 891 passengers: one hidden layer, stopped when validation rows say so",
        ),
        TrainingRule(
            inf,
            {"name": "resmlp", "width": 64, "hidden": 128, "num_blocks": 2, "dropout": 0.2},
            *(256, 3.0e-3, 12, 4),
            "as for 48,842 census rows: residual blocks pay off from some thousand rows on",
        ),
    ),
    "text": (
        TrainingRule(
            2_000,
            {"name": "text_mean", "width": 32, "dense": [32], "dropout": 0.5},
            *(16, 5.0e-3, 30, 8),
            "few texts: their words without order, small batches",
        ),
        TrainingRule(
            inf,
            {"name": "text_mean", "width": 64, "dense": [64], "dropout": 0.5},
            *(32, 3.0e-3, 12, 4),
            "as for 5,574 messages: a transformer needs far more text, and ten times as long",
        ),
    ),
    "image": (
        TrainingRule(500, {}, 16, 3.0e-3, 40, 20, "few images: small ones, small batches, many epochs", 64),
        TrainingRule(5_000, {}, 32, 3.0e-3, 30, 15, "some thousand images: minutes on two cores", 64),
        TrainingRule(inf, {}, 64, 3.0e-3, 15, 8, "many images: fewer epochs see as many of them", 96),
    ),
}
"""By modality, in order; each as in a recipe for data of that size, where there is one.

Images wait longer for an improvement: their validation loss is noisy while the rate of `one_cycle` is high.
"""


def find_training_rule(modality: ModalityName, num_rows: int) -> TrainingRule:
    """Returns the first rule for more rows than these."""
    return next(rule for rule in TRAINING_RULES[modality] if num_rows < rule.below)


def choose_image_side(sides: Sequence[int], rule: TrainingRule) -> int:
    """Returns the pixels per side for images of different sizes: the median of their shorter sides, bounded."""
    return min(rule.image_side, sorted(sides)[len(sides) // 2]) if sides else rule.image_side


def make_cnn(side: int) -> Json:
    """Returns a network for images of this side, pooled until about SMALLEST_MAP pixels are left."""
    num_pools = max(1, min(len(CHANNELS), int(log2(max(side, 1) / SMALLEST_MAP) if side > SMALLEST_MAP else 0)))
    blocks = [block for channels in CHANNELS[:num_pools] for block in (channels, "pool")]
    return {"name": "cnn", "blocks": blocks, "padding": "same", "batch_norm": True, "dense": [64], "dropout": 0.3}


def choose_lead(class_shares: dict[str, float]) -> float:
    """Returns the `min` of the gate on `over_prior`."""
    rest = 1 - max(class_shares.values(), default=0.0)
    return round(min(LEAD, LEAD_OF_REST * rest), 4)


def choose_fractions(num_rows: int) -> list[float]:
    """Returns the fractions of train, validation and test rows."""
    return [0.8, 0.1, 0.1] if num_rows >= MANY_ROWS else [0.7, 0.15, 0.15]
