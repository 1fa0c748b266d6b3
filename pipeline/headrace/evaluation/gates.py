"""Gates: what a model must reach to go on, as the settings ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import model_validator

from headrace.config import Section
from headrace.contracts import Metrics
from headrace.errors import ConfigError, GateError, choices


class Bound(Section):
    """What one metric must keep within; at least one side."""

    min: float | None = None
    """The least that passes, in the metric's own unit; null for no such side."""
    max: float | None = None
    """The most that passes, in the metric's own unit; null for no such side."""

    @model_validator(mode="after")
    def _is_some_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("must have min or max, such as {min: 0.9}")
        return self

    def breach(self, value: float) -> str:
        """How `value` leaves the bound, or nothing. NaN leaves every bound."""
        if self.min is not None and not value >= self.min:
            return f"is below min {self.min:g}"
        if self.max is not None and not value <= self.max:
            return f"is above max {self.max:g}"
        return ""


def check_gate(gate: Mapping[str, Bound], metrics: Metrics, *, key: str) -> None:
    """Passes in silence; `key` is the gate's place in `params.yaml`, such as `validate.gate`.

    Raises ConfigError for a metric that there is not, and GateError that names each metric that fails, and all
    figures, since the stage's metrics are not written then.
    """
    for name in gate:
        if name not in metrics:
            raise ConfigError(f"params.yaml: {key}.{name}: no such metric; {choices(name, metrics)}")
    breaches = {name: bound.breach(metrics[name]) for name, bound in gate.items()}
    failed = [f"{name} {metrics[name]:.6g} {breach}" for name, breach in breaches.items() if breach]
    if failed:
        figures = ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        raise GateError(
            f"params.yaml: {key}: not passed: {'; '.join(failed)}; improve the model (train.model, train.max_epochs) "
            f"or the data, or change the bound; all figures: {figures}"
        )
