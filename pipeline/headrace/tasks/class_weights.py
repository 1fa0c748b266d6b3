"""Class weights in the loss, so that rare classes are not ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from headrace.errors import ConfigError, choices

ClassWeights: TypeAlias = "Literal['balanced'] | Mapping[str, float]"


def class_weights(setting: ClassWeights, rows: Mapping[str, int]) -> list[float]:
    """One weight per class, in the order of `rows` (class -> train rows).

    Their mean over the train rows is 1, so that the loss keeps its scale and the learning rate remains suitable.
    balanced: rows / (classes * rows of the class), as in scikit-learn (King and Zeng 2001); otherwise `setting`, with
    1 for classes that it omits. Raises ConfigError for names that are not classes.
    """
    total = sum(rows.values())
    if setting == "balanced":
        weights = [total / (len(rows) * max(1, count)) for count in rows.values()]
    else:
        weights = _weights_by_name(setting, rows)
    mean = sum(weight * count for weight, count in zip(weights, rows.values(), strict=True)) / total
    return [weight / mean for weight in weights]


def positive_weights(setting: ClassWeights, rows: Mapping[str, int], num_rows: int) -> list[float]:
    """One factor per label, for the loss of rows that have it.

    balanced: rows without the label / rows with it, so that both sides weigh the same, as torch recommends for
    `pos_weight`; otherwise `setting`, with 1 for labels that it omits. Raises ConfigError for names that are not
    labels.
    """
    if setting == "balanced":
        return [max(1, num_rows - count) / max(1, count) for count in rows.values()]
    return _weights_by_name(setting, rows)


def _weights_by_name(weights: Mapping[str, float], rows: Mapping[str, int]) -> list[float]:
    for name in weights:
        if name not in rows:
            raise ConfigError(f"params.yaml: train.class_weights.{name}: no such class; {choices(name, rows)}")
    return [float(weights.get(name, 1.0)) for name in rows]
