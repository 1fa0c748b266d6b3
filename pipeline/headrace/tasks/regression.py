"""A value, or several at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Batch, Json, Spec
from headrace.tasks.task import check_no_class_settings, check_loss

if TYPE_CHECKING:
    from torch import Tensor

LOSSES = ("auto", "mse", "mae", "huber")


class Regression:
    """Outputs are in the targets' units, losses of what is standardised by the train rows' targets.

    Targets are `[rows]`, of several `[rows, targets]`; their losses and figures are the mean over the targets, so that
    each counts the same whatever its unit.
    """

    metric_names, quality, outputs = ("mae",), "r2", "values"

    def num_outputs(self, spec: Spec, loss: str = "auto") -> int:  # noqa: ARG002 the Protocol's
        """One a target."""
        return max(1, len(spec.targets))

    def loss_options(self, settings: Mapping[str, Any], transform: Json) -> Json:
        """`kind` and the targets' `std`; refuses what needs classes."""
        check_loss(settings, LOSSES, "values")
        check_no_class_settings(settings)
        return {"kind": "mse" if settings["loss"] == "auto" else settings["loss"], "std": transform["target"]["std"]}

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Loss of the standardised error, summed over the rows by weight; huber bends at one standard deviation."""
        from headrace.tasks.losses import value_losses

        values, std = _values(outputs, batch.targets), options["std"]
        scale = values.new_tensor(std) if isinstance(std, list) else std
        losses = value_losses(values / scale, batch.targets / scale, options["kind"])
        return (_by_row(losses) * batch.weights).sum()

    def metric_sums(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Absolute errors in the target's unit; of several targets in their standard deviations."""
        errors = (_values(outputs, batch.targets) - batch.targets).abs()
        if isinstance(options["std"], list):
            errors = errors / errors.new_tensor(options["std"])
        return (_by_row(errors) * batch.weights).sum(0, keepdim=True)

    def score(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
        """R2: the share of the targets' variance that is explained; of several the mean."""
        wanted = np.asarray(targets, np.float64).reshape(len(targets), -1)
        found = [_r_squared(outputs[:, place].astype(np.float64), column) for place, column in enumerate(wanted.T)]
        return float(np.mean(found))

    def agreement(self, outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """R2 of one's values for the other's."""
        return self.score(outputs, reference)


def _values(outputs: Tensor, targets: Tensor) -> Tensor:
    """The outputs in the targets' shape."""
    return outputs[:, 0] if targets.ndim == 1 else outputs


def _by_row(losses: Tensor) -> Tensor:
    return losses if losses.ndim == 1 else losses.mean(dim=1)


def _r_squared(values: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:

    left, spread = float(np.square(values - wanted).sum()), float(np.square(wanted - wanted.mean()).sum())
    return 1 - left / spread if spread else float(left == 0)
