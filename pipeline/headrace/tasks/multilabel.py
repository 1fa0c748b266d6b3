"""Any number of classes a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Batch, Json, Spec
from headrace.tasks.class_weights import positive_weights
from headrace.tasks.task import check_loss

if TYPE_CHECKING:
    from torch import Tensor

LOSSES = ("auto", "bce", "focal")


class Multilabel:
    """A sigmoid and binary cross-entropy a label; outputs are logits, targets 0 and 1 `[rows, labels]`.

    Losses and figures are the mean over the labels.
    """

    metric_names, quality, outputs = ("accuracy",), "micro_f1", "logits"

    def num_outputs(self, spec: Spec, loss: str = "auto") -> int:  # noqa: ARG002 the Protocol's
        """One logit a label."""
        return len(spec.classes)

    def loss_options(self, settings: Mapping[str, Any], transform: Json) -> Json:
        """`label_smoothing`; `gamma` of the focal loss and `positive_weights` where there are any."""
        check_loss(settings, LOSSES, "several labels a row")
        options: Json = {"label_smoothing": settings["label_smoothing"]}
        if settings["loss"] == "focal":
            options["gamma"] = settings["focal_gamma"]
        if settings["class_weights"] != "none":
            told = transform["target"]
            options["positive_weights"] = positive_weights(settings["class_weights"], told["rows"], told["num_rows"])
        return options

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Binary cross-entropy, summed over the rows by weight; see `losses.sigmoid_losses` for its options."""
        from headrace.tasks.losses import sigmoid_losses

        return (sigmoid_losses(outputs, batch.targets, options).mean(dim=1) * batch.weights).sum()

    def metric_sums(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:  # noqa: ARG002 the Protocol's
        """Shares of the labels that are right, at probability 1/2."""
        right = (outputs > 0) == (batch.targets > 0)
        return (right.float().mean(dim=1) * batch.weights).sum(0, keepdim=True)

    def score(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
        """F1 over all labels of all rows, at probability 1/2; 1 where no row has a label and none is given."""
        given, due = outputs > 0, targets > 0
        num_either = int(given.sum()) + int(due.sum())
        return 2 * int((given & due).sum()) / num_either if num_either else 1.0

    def agreement(self, outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """Share of the labels that both give, or both do not."""
        return float(((outputs > 0) == (reference > 0)).mean())
