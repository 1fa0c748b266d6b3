"""Tasks: what a network is asked for. TASKS: name -> loss, figures and output size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.contracts import Batch, Json, Spec, TaskName
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class Task(Protocol):
    """What a network is asked for: loss, figures, output size."""

    figure: str
    """Name of what an epoch tells beside its loss, the mean of `figures` over the rows."""
    quality: str
    """Name of what `score` tells: better where it is higher, 1 at best."""
    outputs: str
    """Name of the graph's outputs."""

    def num_outputs(self, spec: Spec) -> int:
        """Width of the network's last layer."""
        ...

    def loss_options(self, settings: Mapping[str, Any], transform: Json) -> Json:
        """What `loss` needs of the section `train` and of `transform.json`.

        Raises ConfigError for settings that are another task's.
        """
        ...

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Weighted sum of the rows' losses (a scalar); the caller divides by rows."""
        ...

    def figures(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Weighted sum of the rows' figures (a scalar)."""
        ...

    def score(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
        """How good a model's outputs `[rows, outputs]` are: the figure that int8 may lose some of."""
        ...

    def agreement(self, outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """How far two models say the same, 1 at best."""
        ...


class Classification:
    """One class of several: softmax and cross-entropy; outputs are logits."""

    figure = quality = "accuracy"
    outputs = "logits"

    def num_outputs(self, spec: Spec) -> int:
        """One logit a class."""
        return len(spec.classes)

    def loss_options(self, settings: Mapping[str, Any], transform: Json) -> Json:  # noqa: ARG002 the Protocol's
        """Refuses losses of values."""
        if settings["loss"] != "auto":
            raise ConfigError(
                f"params.yaml: train.loss: {settings['loss']!r} is of regression, and the data have classes; set auto"
            )
        return {"label_smoothing": settings["label_smoothing"]}

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Cross-entropy, summed over the rows by weight; option `label_smoothing` in [0, 1)."""
        from torch.nn.functional import cross_entropy

        smoothing = options.get("label_smoothing", 0.0)
        losses = cross_entropy(outputs, batch.targets, reduction="none", label_smoothing=smoothing)
        return (losses * batch.weights).sum()

    def figures(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Rows whose largest logit is the target's."""
        return ((outputs.argmax(dim=1) == batch.targets) * batch.weights).sum()

    def score(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
        """Accuracy."""
        return float((outputs.argmax(axis=1) == targets).mean())

    def agreement(self, outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """Share of the rows of the same class."""
        return float((outputs.argmax(axis=1) == reference.argmax(axis=1)).mean())


class Regression:
    """A value: outputs are in the target's unit, losses of what is standardised by the train rows' targets."""

    figure, quality, outputs = "mae", "r2", "values"

    def num_outputs(self, spec: Spec) -> int:  # noqa: ARG002 the Protocol's
        """The value alone."""
        return 1

    def loss_options(self, settings: Mapping[str, Any], transform: Json) -> Json:
        """`kind` and the targets' `std`; refuses what needs classes."""
        if settings["label_smoothing"]:
            raise ConfigError(
                f"params.yaml: train.label_smoothing: {settings['label_smoothing']:g} is of classification, and the "
                "data have values; set 0"
            )
        return {"kind": "mse" if settings["loss"] == "auto" else settings["loss"], "std": transform["target"]["std"]}

    def loss(self, outputs: Tensor, batch: Batch, options: Json) -> Tensor:
        """Loss of the standardised error, summed over the rows by weight; huber bends at one standard deviation."""
        from torch.nn.functional import huber_loss, l1_loss, mse_loss

        losses: Tensor = {"mse": mse_loss, "mae": l1_loss, "huber": huber_loss}[options["kind"]](  # type: ignore[operator]
            outputs[:, 0] / options["std"], batch.targets / options["std"], reduction="none"
        )
        return (losses * batch.weights).sum()

    def figures(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Absolute errors, in the target's unit."""
        return ((outputs[:, 0] - batch.targets).abs() * batch.weights).sum()

    def score(self, outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
        """R2: the share of the targets' variance that is explained."""
        import numpy as np

        values, wanted = outputs[:, 0].astype(np.float64), targets.astype(np.float64)
        left, spread = float(np.square(values - wanted).sum()), float(np.square(wanted - wanted.mean()).sum())
        return 1 - left / spread if spread else float(left == 0)

    def agreement(self, outputs: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """R2 of one's values for the other's."""
        return self.score(outputs, reference[:, 0])


TASKS: dict[TaskName, Task] = {"classification": Classification(), "regression": Regression()}
