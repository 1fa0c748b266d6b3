"""Loss formulas, one value per row or output; the tasks compute their weighted sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.contracts import Json

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST_DOUBT = 1e-12
"""Lower bound of 1 - p in the focal loss, since a power below 1 has an infinite slope at 0."""


def softmax_losses(logits: Tensor, targets: Tensor, options: Json) -> Tensor:
    """Cross-entropy in nats of `logits` `[rows, classes]` and class indices `[rows]` -> `[rows]`.

    Options, all optional: `label_smoothing` in [0, 1), the fraction of the target that is spread over all classes
    (Szegedy et al. 2016, section 7); `gamma` of the focal loss; `class_weights`, a factor per class.
    """
    from torch.nn.functional import cross_entropy

    smoothing = options.get("label_smoothing", 0.0)
    losses = cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
    if "gamma" in options:
        plain = cross_entropy(logits, targets, reduction="none") if smoothing else losses
        losses = losses * focal_factors(plain, options["gamma"])
    if "class_weights" in options:
        losses = losses * logits.new_tensor(options["class_weights"])[targets]
    return losses


def sigmoid_losses(logits: Tensor, targets: Tensor, options: Json) -> Tensor:
    """Binary cross-entropy in nats of `logits` and `targets` (0 and 1), both `[rows, labels]` -> the same shape.

    Options, all optional: `label_smoothing` in [0, 1) moves targets towards 1/2; `gamma` of the focal loss;
    `positive_weights`, a factor per label for the rows that have it.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    smoothing = options.get("label_smoothing", 0.0)
    smoothed = targets * (1 - smoothing) + smoothing / 2 if smoothing else targets
    losses = binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
    if "gamma" in options:
        plain = binary_cross_entropy_with_logits(logits, targets, reduction="none") if smoothing else losses
        losses = losses * focal_factors(plain, options["gamma"])
    if "positive_weights" in options:
        losses = losses * (1 + targets * (logits.new_tensor(options["positive_weights"]) - 1))
    return losses


def focal_factors(losses: Tensor, gamma: float) -> Tensor:
    """(1 - p) ** gamma for losses -log(p), which reduces the weight of easy rows; no effect if gamma is 0.

    Lin et al. (2017), Focal Loss for Dense Object Detection, equation 4.
    """
    import torch

    return (-torch.expm1(-losses)).clamp_min(SMALLEST_DOUBT) ** gamma


def value_losses(values: Tensor, targets: Tensor, kind: str) -> Tensor:
    """Squared (mse), absolute (mae) or Huber (1964) loss of each value; huber is linear beyond 1."""
    from torch.nn.functional import huber_loss, l1_loss, mse_loss

    losses: Tensor = {"mse": mse_loss, "mae": l1_loss, "huber": huber_loss}[kind](  # type: ignore[operator]
        values, targets, reduction="none"
    )
    return losses
