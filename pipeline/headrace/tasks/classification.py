"""Classification: one class per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.contracts import Batch, Json, Spec
from headrace.errors import ConfigError
from headrace.tasks.class_weights import class_weights
from headrace.tasks.losses import softmax_losses
from headrace.tasks.task import LossSettings

if TYPE_CHECKING:
    from torch import Tensor

NUM_BINARY = 2


class Classification:
    """Softmax and cross-entropy; outputs are logits.

    With `bce` the network has one output z, and a fixed last layer turns it into the logits -z/2 and z/2, whose
    softmax is sigmoid(z). Cross-entropy then equals binary cross-entropy, and later stages need no special case.
    """

    metric_names: tuple[str, ...] = ("accuracy",)
    losses: tuple[str, ...] = ("auto", "cross_entropy", "focal", "bce")
    outputs = "logits"

    def num_outputs(self, spec: Spec, loss: str = "auto") -> int:
        """One logit per class; a single one for `bce`."""
        return 1 if loss == "bce" else len(spec.classes)

    def loss_options(self, settings: LossSettings, transform: Json) -> Json:
        """`label_smoothing`, and where set `gamma` of the focal loss and `class_weights`."""
        options: Json = {"label_smoothing": settings.label_smoothing}
        if settings.loss == "bce":
            _check_two_classes(len(transform["target"]["rows"]))
        if settings.loss == "focal":
            options["gamma"] = settings.focal_gamma
        if settings.class_weights != "none":
            options["class_weights"] = class_weights(settings.class_weights, transform["target"]["rows"])
        return options

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sum of the cross-entropy; see `losses.softmax_losses` for the options."""
        return (softmax_losses(outputs, batch.targets, options) * batch.weights).sum()

    def metric_sums(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:  # noqa: ARG002 the Protocol's
        """Number of rows whose largest logit is that of the target."""
        return ((outputs.argmax(dim=1) == batch.targets) * batch.weights).sum(0, keepdim=True)


def _check_two_classes(num_classes: int) -> None:
    if num_classes != NUM_BINARY:
        raise ConfigError(
            f"params.yaml: train.loss: 'bce' requires {NUM_BINARY} classes, and the data have {num_classes}; set"
            " cross_entropy, or ingest.task: multilabel if a row may have several"
        )
