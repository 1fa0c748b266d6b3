"""The Protocol of a task, and checks of settings that a task does not support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from headrace.contracts import Batch, Json, Spec
from headrace.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


class Task(Protocol):
    """Loss, metrics and number of outputs of a network."""

    metric_names: tuple[str, ...]
    """Keys of EPOCH_METRICS: the metrics that an epoch reports in addition to its loss."""
    outputs: str
    """Name of the graph's outputs."""

    def num_outputs(self, spec: Spec, loss: str = "auto") -> int:
        """Width of the network's last trained layer; `loss` is `train.loss`."""
        ...

    def loss_options(self, settings: Mapping[str, Any], transform: Json) -> Json:
        """The options of `loss`, as plain values, from the section `train` and `transform.json`.

        Raises ConfigError for settings that the task does not support or that do not fit the data.
        """
        ...

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sum of the rows' losses (a scalar); the caller divides by the number of rows."""
        ...

    def metric_sums(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sums of the rows' metrics, `[metric_names]`; `options` are those of the loss."""
        ...


def check_loss(settings: Mapping[str, Any], allowed: Sequence[str], targets: str) -> None:
    """Raises ConfigError for a `train.loss` that is not `allowed`; `targets` describes those of the data."""
    if settings["loss"] not in allowed:
        raise ConfigError(
            f"params.yaml: train.loss: {settings['loss']!r} is not a loss for {targets}; choose one of {list(allowed)}"
        )


def check_no_class_settings(settings: Mapping[str, Any]) -> None:
    """Raises ConfigError for label smoothing and class weights, which require classes or labels."""
    if settings["label_smoothing"]:
        raise ConfigError(
            f"params.yaml: train.label_smoothing: {settings['label_smoothing']:g} applies only to classification, "
            "and the targets are values; set 0"
        )
    if settings["class_weights"] != "none":
        raise ConfigError(
            f"params.yaml: train.class_weights: {settings['class_weights']!r} applies only to classification, and"
            " the targets are values; set none"
        )
