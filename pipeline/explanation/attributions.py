"""Attributions: how much each pixel of an image speaks for the predicted class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

MethodName: TypeAlias = Literal["integrated_gradients", "occlusion"]
VALUES_PER_PASS, MAX_INPUTS_PER_PASS = (
    2**22,
    512,
)  # 16 MB of inputs at once: 512 images of 28 pixels, 27 of 224 in colour
MAX_ROWS_PER_RUN = 32
WINDOWS_PER_SIDE = 7  # occlusion hides a seventh of each side: 4 pixels of 28, 32 of 224


class Method(Protocol):
    """A way to attribute."""

    def __call__(
        self, model: nn.Module, prepared: Tensor, classes: Tensor, *, num_steps: int, inputs_per_pass: int
    ) -> Tensor:
        """Preprocessed inputs `[rows, channel, *places]` and classes `[rows]` -> attributions `[rows, *places]`."""
        ...


def attribute(
    network: nn.Sequential,
    inputs: NDArray[np.uint8],
    classes: NDArray[np.int64],
    *,
    method: MethodName,
    num_steps: int,
) -> NDArray[np.float32]:
    """Attributions of images `[rows, height, width]`: of the outputs of `classes` `[rows]` (regression: 0).

    `network` is preprocessing, then model (then what scales a regression's output). The uint8 of its inputs has no
    gradient, hence preprocessed inputs are attributed, against 0, which is the mean of the train rows; channels are
    summed.
    """
    import numpy as np
    import torch

    preprocess, model = network[0], network[1:].eval()
    inputs_per_pass = max(1, min(MAX_INPUTS_PER_PASS, VALUES_PER_PASS // inputs[0].size))
    rows_per_run = min(MAX_ROWS_PER_RUN, inputs_per_pass)
    parts = []
    for start in range(0, len(inputs), rows_per_run):
        rows = slice(start, start + rows_per_run)
        with torch.no_grad():
            # copied, since torch takes no read-only memory
            prepared = preprocess(torch.from_numpy(np.array(inputs[rows])))
        targets = torch.from_numpy(np.array(classes[rows]))
        found = METHODS[method](model, prepared, targets, num_steps=num_steps, inputs_per_pass=inputs_per_pass)
        parts.append(found.detach().numpy().astype(np.float32))
    return np.concatenate(parts)


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
