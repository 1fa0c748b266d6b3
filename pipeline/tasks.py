"""Tasks: what a network is asked for. TASKS: name -> loss, figures and output size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.contracts import Batch, Spec, Task

if TYPE_CHECKING:
    from torch import Tensor


class Classification:
    """One class of several: softmax and cross-entropy."""

    def num_outputs(self, spec: Spec) -> int:
        """One logit a class."""
        return len(spec.classes)

    def loss(self, outputs: Tensor, batch: Batch, options: Mapping[str, float]) -> Tensor:
        """Cross-entropy, summed over the rows by weight; option `label_smoothing` in [0, 1)."""
        from torch.nn.functional import cross_entropy

        smoothing = options.get("label_smoothing", 0.0)
        losses = cross_entropy(outputs, batch.targets, reduction="none", label_smoothing=smoothing)
        return (losses * batch.weights).sum()

    def num_correct(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Rows whose largest logit is the target's."""
        return ((outputs.argmax(dim=1) == batch.targets) * batch.weights).sum()


TASKS: dict[str, Task] = {"classification": Classification()}
