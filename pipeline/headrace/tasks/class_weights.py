"""Weights of classes: rare ones count more, so that none is learned at another's cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from headrace.errors import ConfigError, choices

ClassWeights: TypeAlias = "Literal['balanced'] | Mapping[str, float]"


def class_weights(wanted: ClassWeights, rows: Mapping[str, int]) -> list[float]:
    """One weight a class, in the order of `rows` (class -> train rows); their mean over the train rows is 1.

    So the loss keeps its scale, and with it the learning rate. balanced: rows / (classes * rows of the class), as in
    scikit-learn (King and Zeng 2001); else as `wanted` tells, 1 for a class that it does not name. Raises ConfigError
    for names of no class.
    """
    total = sum(rows.values())
    if wanted == "balanced":
        found = [total / (len(rows) * max(1, count)) for count in rows.values()]
    else:
        found = [float(wanted.get(name, 1.0)) for name in known(wanted, rows)]
    mean = sum(weight * count for weight, count in zip(found, rows.values(), strict=True)) / total
    return [weight / mean for weight in found]


def positive_weights(wanted: ClassWeights, rows: Mapping[str, int], num_rows: int) -> list[float]:
    """How much more a row counts for a label that it has than one that has it not, one factor a label.

    balanced: rows without the label by rows with it, so that both sides weigh the same, as torch's `pos_weight`
    proposes; else as `wanted` tells, 1 for a label that it does not name. Raises ConfigError for names of no label.
    """
    if wanted == "balanced":
        return [max(1, num_rows - count) / max(1, count) for count in rows.values()]
    return [float(wanted.get(name, 1.0)) for name in known(wanted, rows)]


def known(wanted: Mapping[str, float], rows: Mapping[str, int]) -> Mapping[str, int]:
    """The classes; raises ConfigError where `wanted` names another."""
    for name in wanted:
        if name not in rows:
            raise ConfigError(f"params.yaml: train.class_weights.{name}: no such class; {choices(name, rows)}")
    return rows
