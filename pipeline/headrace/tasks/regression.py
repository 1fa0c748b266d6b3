"""Regression of one target or of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.contracts import Batch, Json, Spec
from headrace.tasks.losses import value_losses
from headrace.tasks.task import LossSettings

if TYPE_CHECKING:
    from torch import Tensor


class Regression:
    """Outputs are in the targets' units; losses are in standard deviations of the train rows' targets.

    Targets are `[rows]`, or `[rows, targets]`, with losses and metrics that are means over the targets, so that each
    counts the same whatever its unit.
    """

    metric_names: tuple[str, ...] = ("mae",)
    losses: tuple[str, ...] = ("auto", "mse", "mae", "huber")
    outputs = "values"

    def num_outputs(self, spec: Spec, loss: str = "auto") -> int:  # noqa: ARG002 the Protocol's
        """One output per target."""
        return max(1, len(spec.targets))

    def loss_options(self, settings: LossSettings, transform: Json) -> Json:
        """`kind` of the loss and the targets' `std`."""
        return {"kind": "mse" if settings.loss == "auto" else settings.loss, "std": transform["target"]["std"]}

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sum of the losses of standardized errors; huber is linear beyond one standard deviation."""
        values, std = _values(outputs, batch.targets), options["std"]
        scale = values.new_tensor(std) if isinstance(std, list) else std
        losses = value_losses(values / scale, batch.targets / scale, options["kind"])
        return (_by_row(losses) * batch.weights).sum()

    def metric_sums(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Sum of absolute errors in the target's unit; for several targets, in their standard deviations."""
        errors = (_values(outputs, batch.targets) - batch.targets).abs()
        if isinstance(options["std"], list):
            errors = errors / errors.new_tensor(options["std"])
        return (_by_row(errors) * batch.weights).sum(0, keepdim=True)


def _values(outputs: Tensor, targets: Tensor) -> Tensor:
    """The outputs in the targets' shape."""
    return outputs[:, 0] if targets.ndim == 1 else outputs


def _by_row(losses: Tensor) -> Tensor:
    """Mean over the targets, if there are several."""
    return losses if losses.ndim == 1 else losses.mean(dim=1)
