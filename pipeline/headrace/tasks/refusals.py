"""Settings of one task that another cannot use: refused in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headrace.errors import ConfigError


def refuse_losses(settings: Mapping[str, Any], allowed: Sequence[str], have: str) -> None:
    """Raises ConfigError for a `train.loss` that is not of data which `have` classes, labels or values."""
    if settings["loss"] not in allowed:
        raise ConfigError(
            f"params.yaml: train.loss: {settings['loss']!r} is no loss of data that have {have}; choose one of"
            f" {list(allowed)}"
        )


def refuse_class_settings(settings: Mapping[str, Any]) -> None:
    """Raises ConfigError for what only classes and labels have: label smoothing and class weights."""
    if settings["label_smoothing"]:
        raise ConfigError(
            f"params.yaml: train.label_smoothing: {settings['label_smoothing']:g} is of classification, and the "
            "data have values; set 0"
        )
    if settings["class_weights"] != "none":
        raise ConfigError(
            f"params.yaml: train.class_weights: {settings['class_weights']!r} are of classification, and the data have"
            " values; set none"
        )
