"""The Protocol of a task, and of the settings of its loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol

from headrace.contracts import Batch, Json, Spec

if TYPE_CHECKING:
    from torch import Tensor


class LossSettings(Protocol):
    """The keys of the section `train` that a loss depends on."""

    @property
    def loss(self) -> str:
        """A name in `Task.losses`."""
        ...

    @property
    def focal_gamma(self) -> float:
        """For the focal loss."""
        ...

    @property
    def class_weights(self) -> Literal["none", "balanced"] | Mapping[str, float]:
        """For classification and multilabel."""
        ...

    @property
    def label_smoothing(self) -> float:
        """For classification and multilabel."""
        ...


class Task(Protocol):
    """Loss, metrics and number of outputs of a network."""

    metric_names: tuple[str, ...]
    """Keys of EPOCH_METRICS: the metrics that an epoch reports in addition to its loss."""
    losses: tuple[str, ...]
    """Names in `train.loss` that the task has."""
    outputs: str
    """Name of the graph's outputs."""

    def num_outputs(self, spec: Spec, loss: str = "auto") -> int:
        """Width of the network's last trained layer; `loss` is `train.loss`."""
        ...

    def loss_options(self, settings: LossSettings, transform: Json) -> Json:
        """The options of `loss`, as plain values, from the section `train` and `transform.json`.

        Raises ConfigError for settings that do not fit the data.
        """
        ...

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sum of the rows' losses (a scalar); the caller divides by the number of rows."""
        ...

    def metric_sums(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sums of the rows' metrics, `[metric_names]`; `options` are those of the loss."""
        ...
