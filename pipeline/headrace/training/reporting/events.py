"""Events that a running training sends to an observer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Event = dict[str, Any]
"""`kind` is "step" or "epoch"; with `epoch` (from 0), `step` (optimizer steps done), and metrics by name."""
Observer = Callable[[Event], None]
"""Receives events: it must be quick, and must not raise."""


def metrics_of(event: Event) -> dict[str, float]:
    """Returns the metrics of an event, whichever the task reports."""
    return {name: value for name, value in event.items() if name not in {"kind", "epoch", "step"}}


def validation_metrics(event: Event) -> dict[str, float]:
    """Returns the metrics of an epoch's event that were computed on validation rows."""
    return {name: value for name, value in event.items() if name.startswith("val_")}
