"""The Protocol of a task: what training, quantisation and export ask of each.

Settings of one task that another cannot use: refused in one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Batch, Json, Spec
from headrace.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


class Task(Protocol):
    """What a network is asked for: loss, figures, output size."""

    metric_names: tuple[str, ...]
    """Keys of EPOCH_METRICS: the metrics that an epoch reports in addition to its loss."""
    quality: str
    """Name of what `score` tells: better where it is higher, 1 at best."""
    outputs: str
    """Name of the graph's outputs."""

    def num_outputs(self, spec: Spec, loss: str = "auto") -> int:
        """Width of the network's last trained layer, under `train.loss`."""
        ...

    def loss_options(self, settings: Mapping[str, Any], transform: Json) -> Json:
        """What `loss` needs of the section `train` and of `transform.json`, in plain values.

        Raises ConfigError for settings that are another task's, or that do not fit the data.
        """
        ...

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sum of the rows' losses (a scalar); the caller divides by rows."""
        ...

    def metric_sums(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sums of the rows' metrics, `[metric_names]`; `options` are those of the loss."""
        ...

    def score(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
        """How good a model's outputs `[rows, outputs]` are: the figure that int8 may lose some of."""
        ...

    def agreement(self, outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """How far two models say the same, 1 at best."""
        ...


def check_loss(settings: Mapping[str, Any], allowed: Sequence[str], have: str) -> None:
    """Raises ConfigError for a `train.loss` that is not of data which `have` classes, labels or values."""
    if settings["loss"] not in allowed:
        raise ConfigError(
            f"params.yaml: train.loss: {settings['loss']!r} is no loss of data that have {have}; choose one of"
            f" {list(allowed)}"
        )


def check_no_class_settings(settings: Mapping[str, Any]) -> None:
    """Raises ConfigError for what only classes and labels have: label smoothing and class weights."""
    if settings["label_smoothing"]:
        raise ConfigError(
            f"params.yaml: train.label_smoothing: {settings['label_smoothing']:g} is of classification, and the "
            "data have values; set 0"
        )
    if settings["class_weights"] != "none":
        raise ConfigError(
            f"params.yaml: train.class_weights: {settings['class_weights']!r} are of classification, and the data have"
            " values; set none"
        )
