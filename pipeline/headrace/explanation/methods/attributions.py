"""Attributions: how much each place of an input (pixel, token, column) contributes to one output of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.explanation.methods.grad_cam import grad_cam

if TYPE_CHECKING:
    from torch import Tensor, nn

MethodName: TypeAlias = Literal["integrated_gradients", "occlusion", "grad_cam", "attention"]
METHOD_TITLES: dict[MethodName, str] = {
    "integrated_gradients": "integrated gradients",
    "occlusion": "occlusion",
    "grad_cam": "Grad-CAM",
    "attention": "attention rollout",
}
Erase: TypeAlias = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[Any]]
"""Inputs and places `[rows, *places]` -> a copy of the inputs without the information in these places."""
VALUES_PER_PASS = 2**22
"""16 MB of inputs at once: 512 images of 28 pixels, 27 colour images of 224."""
MAX_INPUTS_PER_PASS = 512
MAX_IMAGES_PER_BATCH, ROWS_PER_RUN = 32, 256
WINDOWS_PER_SIDE = 7
"""Occlusion hides a seventh of each side: 4 pixels of 28, 32 of 224."""


class AttributionRequest(NamedTuple):
    """What to explain, and how."""

    network: nn.Sequential
    """Preprocessing, then the model, then the scaling of a regression's output."""
    inputs: NDArray[Any]
    """Stored rows `[rows, ...]`."""
    outputs: NDArray[np.int64]
    """`[rows]`: index of the output that is explained."""
    method: MethodName = "integrated_gradients"
    num_steps: int = 32
    """Integrated gradients: points on the path from the reference to the row."""

    def map_batches(
        self, attribute: Callable[[AttributionRequest], NDArray[np.float32]], batch_rows: int
    ) -> NDArray[np.float32]:
        """Applies a function to batches of rows, and concatenates the results."""
        batches = (slice(start, start + batch_rows) for start in range(0, len(self.inputs), batch_rows))
        return np.concatenate(
            [attribute(self._replace(inputs=self.inputs[rows], outputs=self.outputs[rows])) for rows in batches]
        )


class ImageMethod(Protocol):
    """A method for images."""

    def __call__(
        self, model: nn.Module, prepared: Tensor, classes: Tensor, *, num_steps: int, inputs_per_pass: int
    ) -> Tensor:
        """Preprocessed inputs `[rows, channel, *places]` and classes `[rows]` -> attributions `[rows, *places]`."""
        ...


def attribute_images(request: AttributionRequest) -> NDArray[np.float32]:
    """Returns attributions of images `[rows, height, width]`, summed over channels.

    uint8 inputs have no gradient, so that preprocessed inputs are attributed. The reference is 0, the mean of the train
    rows.
    """
    inputs_per_pass = max(1, min(MAX_INPUTS_PER_PASS, VALUES_PER_PASS // request.inputs[0].size))
    return request.map_batches(
        lambda batch: _attribute_batch(batch, inputs_per_pass), min(MAX_IMAGES_PER_BATCH, inputs_per_pass)
    )


def _attribute_batch(request: AttributionRequest, inputs_per_pass: int) -> NDArray[np.float32]:
    import torch

    from headrace.models.tta import remove_test_time_augmentation

    # Grad-CAM needs one feature map for each input, not one for each of its copies
    network = remove_test_time_augmentation(request.network) if request.method == "grad_cam" else request.network
    preprocess, model = network[0], network[1:].eval()
    with torch.no_grad():
        prepared = preprocess(torch.from_numpy(np.array(request.inputs)))  # copied: torch rejects read-only memory
    targets = torch.from_numpy(np.array(request.outputs))
    method = IMAGE_METHODS[request.method]
    attributions = method(model, prepared, targets, num_steps=request.num_steps, inputs_per_pass=inputs_per_pass)
    return attributions.detach().numpy().astype(np.float32)


def integrated_gradients(
    model: nn.Module, prepared: Tensor, classes: Tensor, *, num_steps: int, inputs_per_pass: int
) -> Tensor:
    """Sundararajan et al. (2017), Axiomatic Attribution for Deep Networks, equation 1.

    They sum to the difference of the logit between the mean of the train rows and the input.
    """
    from captum.attr import IntegratedGradients

    attributions: Tensor = IntegratedGradients(model).attribute(
        prepared, target=classes, n_steps=num_steps, internal_batch_size=inputs_per_pass
    )
    return attributions.sum(dim=1)


def occlusion(model: nn.Module, prepared: Tensor, classes: Tensor, *, num_steps: int, inputs_per_pass: int) -> Tensor:
    """Zeiler and Fergus (2014), Visualizing and Understanding Convolutional Networks; does not use `num_steps`.

    The decrease of the logit while a window is hidden in all channels: the mean over the windows that hide a place.
    """
    del num_steps
    from captum.attr import Occlusion

    channels, *sides = prepared.shape[1:]
    window = [max(1, side // WINDOWS_PER_SIDE) for side in sides]
    attributions: Tensor = Occlusion(model).attribute(
        prepared,
        target=classes,
        sliding_window_shapes=(channels, *window),
        strides=(channels, *(max(1, side // 2) for side in window)),
        perturbations_per_eval=max(1, inputs_per_pass // len(prepared)),
    )
    return attributions.mean(dim=1)  # captum assigns the full decrease to every channel


IMAGE_METHODS: dict[str, ImageMethod] = {
    "integrated_gradients": integrated_gradients,
    "occlusion": occlusion,
    "grad_cam": grad_cam,
}


def occlude_each_place(request: AttributionRequest, *, places: NDArray[np.bool_], erase: Erase) -> NDArray[np.float32]:
    """Returns the decrease of the output while each of `places` `[rows, places]` is erased alone; 0 elsewhere.

    Zeiler and Fergus (2014), Visualizing and Understanding Convolutional Networks, section 4.2, one place at a time.
    """
    network, inputs, outputs = request.network, request.inputs, request.outputs
    rows = np.arange(len(inputs))
    before = run_network(network, inputs)[rows, outputs]
    decreases = np.zeros(places.shape, np.float32)
    for place in range(places.shape[1]):
        hidden = np.zeros_like(places)
        hidden[:, place] = places[:, place]
        decreases[:, place] = before - run_network(network, erase(inputs, hidden))[rows, outputs]
    return decreases


def run_network(network: nn.Sequential, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Returns the outputs `[rows, outputs]` of the eager network."""
    import torch

    with torch.no_grad():
        batches = [
            network(torch.from_numpy(np.array(inputs[start : start + ROWS_PER_RUN]))).numpy()
            for start in range(0, len(inputs), ROWS_PER_RUN)
        ]
    return np.concatenate(batches)
