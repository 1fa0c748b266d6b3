"""One class of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Batch, Json, Spec
from headrace.errors import ConfigError
from headrace.tasks.class_weights import class_weights
from headrace.tasks.task import check_loss

if TYPE_CHECKING:
    from torch import Tensor

LOSSES = ("auto", "cross_entropy", "focal", "bce")
NUM_BINARY = 2


class Classification:
    """Softmax and cross-entropy; outputs are logits.

    `bce`: the network has one output z, and a fixed layer behind it makes the logits -z/2 and z/2 of it, whose
    softmax is sigmoid(z). So cross-entropy is binary cross-entropy there, and nothing after the training differs.
    """

    metric_names, quality = ("accuracy",), "accuracy"
    outputs = "logits"

    def num_outputs(self, spec: Spec, loss: str = "auto") -> int:
        """One logit a class; for `bce` one in all."""
        return 1 if loss == "bce" else len(spec.classes)

    def loss_options(self, settings: Mapping[str, Any], transform: Json) -> Json:
        """`label_smoothing`; `gamma` of the focal loss and `class_weights` where there are any."""
        check_loss(settings, LOSSES, "classes")
        options: Json = {"label_smoothing": settings["label_smoothing"]}
        if settings["loss"] == "bce":
            _refuse_many(len(transform["target"]["rows"]))
        if settings["loss"] == "focal":
            options["gamma"] = settings["focal_gamma"]
        if settings["class_weights"] != "none":
            options["class_weights"] = class_weights(settings["class_weights"], transform["target"]["rows"])
        return options

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Cross-entropy, summed over the rows by weight; see `losses.softmax_losses` for its options."""
        from headrace.tasks.losses import softmax_losses

        return (softmax_losses(outputs, batch.targets, options) * batch.weights).sum()

    def metric_sums(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:  # noqa: ARG002 the Protocol's
        """Rows whose largest logit is the target's."""
        return ((outputs.argmax(dim=1) == batch.targets) * batch.weights).sum(0, keepdim=True)

    def score(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
        """Accuracy."""
        return float((outputs.argmax(axis=1) == targets).mean())

    def agreement(self, outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """Share of the rows of the same class."""
        return float((outputs.argmax(axis=1) == reference.argmax(axis=1)).mean())


def _refuse_many(num_classes: int) -> None:
    if num_classes != NUM_BINARY:
        raise ConfigError(
            f"params.yaml: train.loss: 'bce' is of {NUM_BINARY} classes, and the data have {num_classes}; set"
            " cross_entropy, or, where a row may have several, ingest.task: multilabel"
        )
