"""Attributions: how much each pixel of an image speaks for the predicted class.

Hiding: what the output loses while one place is erased; slower than gradients, and needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

MethodName: TypeAlias = Literal["integrated_gradients", "occlusion"]
VALUES_PER_PASS, MAX_INPUTS_PER_PASS = (
    2**22,
    512,
)  # 16 MB of inputs at once: 512 images of 28 pixels, 27 of 224 in colour
MAX_ROWS_PER_RUN = 32
WINDOWS_PER_SIDE = 7  # occlusion hides a seventh of each side: 4 pixels of 28, 32 of 224


class AttributionRequest(NamedTuple):
    """What is to be explained, and how."""

    network: nn.Sequential
    """Preprocessing, then the model, then what scales a regression's output."""
    inputs: NDArray[Any]
    """Stored rows `[rows, ...]`."""
    outputs: NDArray[np.int64]
    """`[rows]`: which of its outputs each row's attribution is of."""
    method: MethodName = "integrated_gradients"
    num_steps: int = 32
    """Of integrated gradients: points of the way from nothing to the row."""

    def in_runs(self, work: Callable[[AttributionRequest], NDArray[np.float32]], num_rows: int) -> NDArray[np.float32]:
        """`work` on so many rows at a time, and its results one after another."""
        runs = (slice(start, start + num_rows) for start in range(0, len(self.inputs), num_rows))
        return np.concatenate(
            [work(self._replace(inputs=self.inputs[rows], outputs=self.outputs[rows])) for rows in runs]
        )


class Method(Protocol):
    """A way to attribute."""

    def __call__(
        self, model: nn.Module, prepared: Tensor, classes: Tensor, *, num_steps: int, inputs_per_pass: int
    ) -> Tensor:
        """Preprocessed inputs `[rows, channel, *places]` and classes `[rows]` -> attributions `[rows, *places]`."""
        ...


def attribute(asked: AttributionRequest) -> NDArray[np.float32]:
    """Attributions of images `[rows, height, width]`.

    The uint8 of a network's inputs has no gradient, hence preprocessed inputs are attributed, against 0, which is the
    mean of the train rows; channels are summed.
    """
    inputs_per_pass = max(1, min(MAX_INPUTS_PER_PASS, VALUES_PER_PASS // asked.inputs[0].size))
    return asked.in_runs(lambda part: _attribute(part, inputs_per_pass), min(MAX_ROWS_PER_RUN, inputs_per_pass))


def _attribute(asked: AttributionRequest, inputs_per_pass: int) -> NDArray[np.float32]:
    import torch

    preprocess, model = asked.network[0], asked.network[1:].eval()
    with torch.no_grad():
        # copied, since torch takes no read-only memory
        prepared = preprocess(torch.from_numpy(np.array(asked.inputs)))
    targets = torch.from_numpy(np.array(asked.outputs))
    found = METHODS[asked.method](model, prepared, targets, num_steps=asked.num_steps, inputs_per_pass=inputs_per_pass)
    return found.detach().numpy().astype(np.float32)


def integrated_gradients(
    model: nn.Module, prepared: Tensor, classes: Tensor, *, num_steps: int, inputs_per_pass: int
) -> Tensor:
    """Sundararajan et al. (2017), Axiomatic Attribution for Deep Networks, equation 1.

    They add up to the rise of the logit from the mean of the train rows to the input.
    """
    from captum.attr import IntegratedGradients

    found: Tensor = IntegratedGradients(model).attribute(
        prepared, target=classes, n_steps=num_steps, internal_batch_size=inputs_per_pass
    )
    return found.sum(dim=1)


def occlusion(model: nn.Module, prepared: Tensor, classes: Tensor, *, num_steps: int, inputs_per_pass: int) -> Tensor:
    """Zeiler and Fergus (2014), Visualizing and Understanding Convolutional Networks; takes no steps.

    The fall of the logit while a window is hidden in all channels, the mean over the windows that hide a place.
    """
    del num_steps
    from captum.attr import Occlusion

    channels, *sides = prepared.shape[1:]
    window = [max(1, side // WINDOWS_PER_SIDE) for side in sides]
    found: Tensor = Occlusion(model).attribute(
        prepared,
        target=classes,
        sliding_window_shapes=(channels, *window),
        strides=(channels, *(max(1, side // 2) for side in window)),
        perturbations_per_eval=max(1, inputs_per_pass // len(prepared)),
    )
    return found.mean(dim=1)  # captum tells the whole fall at every channel


METHODS: dict[str, Method] = {
    "integrated_gradients": integrated_gradients,
    "occlusion": occlusion,
}


ROWS_PER_RUN = 256


def hide_each(
    asked: AttributionRequest,
    *,
    places: NDArray[np.bool_],
    erase: Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[Any]],
) -> NDArray[np.float32]:
    """The fall of the output that is asked for as each of `places` `[rows, places]` is erased alone; 0 elsewhere.

    Zeiler and Fergus (2014), Visualizing and Understanding Convolutional Networks, section 4.2, a place at a time.
    """
    network, inputs, outputs = asked.network, asked.inputs, asked.outputs
    rows = np.arange(len(inputs))
    before = run_network(network, inputs)[rows, outputs]
    falls = np.zeros(places.shape, np.float32)
    for place in range(places.shape[1]):
        hidden = np.zeros_like(places)
        hidden[:, place] = places[:, place]
        falls[:, place] = before - run_network(network, erase(inputs, hidden))[rows, outputs]
    return falls


def run_network(network: nn.Sequential, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Outputs `[rows, outputs]` of the eager network."""
    import torch

    with torch.no_grad():
        parts = [
            network(torch.from_numpy(np.array(inputs[start : start + ROWS_PER_RUN]))).numpy()
            for start in range(0, len(inputs), ROWS_PER_RUN)
        ]
    return np.concatenate(parts)
