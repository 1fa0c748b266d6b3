"""Multilabel classification: any number of labels per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.contracts import Batch, Json, Spec
from headrace.tasks.class_weights import positive_weights
from headrace.tasks.losses import sigmoid_losses
from headrace.tasks.task import LossSettings

if TYPE_CHECKING:
    from torch import Tensor


class Multilabel:
    """A sigmoid and binary cross-entropy per label; outputs are logits, targets 0 and 1 `[rows, labels]`.

    Losses and metrics are means over the labels.
    """

    metric_names: tuple[str, ...] = ("accuracy",)
    losses: tuple[str, ...] = ("auto", "bce", "focal")
    outputs = "logits"

    def num_outputs(self, spec: Spec, loss: str = "auto") -> int:  # noqa: ARG002 the Protocol's
        """One logit per label."""
        return len(spec.classes)

    def loss_options(self, settings: LossSettings, transform: Json) -> Json:
        """`label_smoothing`, and where set `gamma` of the focal loss and `positive_weights`."""
        options: Json = {"label_smoothing": settings.label_smoothing}
        if settings.loss == "focal":
            options["gamma"] = settings.focal_gamma
        if settings.class_weights != "none":
            target = transform["target"]
            weights = positive_weights(settings.class_weights, target["rows"], target["num_rows"])
            options["positive_weights"] = weights
        return options

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sum of the binary cross-entropy; see `losses.sigmoid_losses` for the options."""
        return (sigmoid_losses(outputs, batch.targets, options).mean(dim=1) * batch.weights).sum()

    def metric_sums(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:  # noqa: ARG002 the Protocol's
        """Sum of the fraction of correct labels of each row, at probability 1/2."""
        is_correct = (outputs > 0) == (batch.targets > 0)
        return (is_correct.float().mean(dim=1) * batch.weights).sum(0, keepdim=True)
