"""Attributions: how much each place of an input speaks for the predicted class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

MethodName: TypeAlias = Literal["integrated_gradients", "occlusion"]
ROWS_PER_RUN = 32
PASSES_PER_RUN = 128  # rows times steps that are in memory at once
WINDOWS_PER_SIDE = 7  # occlusion hides a seventh of each side: 4 pixels of 28, 32 of 224


def attribute(
    network: nn.Sequential,
    inputs: NDArray[np.uint8],
    classes: NDArray[np.int64],
    *,
    method: MethodName,
    num_steps: int,
) -> NDArray[np.float32]:
    """Attributions `[rows, *places]` of the logits of `classes` `[rows]`; images: `[rows, height, width]`.

    `network` is preprocessing, then model. The uint8 of its inputs has no gradient, hence preprocessed inputs are
    attributed, against 0, which is the mean of the train rows; channels are summed.
    """
    import numpy as np
    import torch

    preprocess, model = network[0], network[1].eval()
    attributed = METHODS[method](model, num_steps)
    parts = []
    for start in range(0, len(inputs), ROWS_PER_RUN):
        rows = slice(start, start + ROWS_PER_RUN)
        with torch.no_grad():
            # copied, since torch takes no read-only memory
            prepared = preprocess(torch.from_numpy(np.array(inputs[rows])))
        found = attributed(prepared, torch.from_numpy(np.array(classes[rows])))
        parts.append(found.sum(dim=1).detach().numpy().astype(np.float32))
    return np.concatenate(parts)


Attributed: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""Prepared inputs `[rows, channel, *places]` and classes `[rows]` -> attributions in the inputs' shape."""


def _integrated_gradients(model: nn.Module, num_steps: int) -> Attributed:
    """Sundararajan et al. (2017), Axiomatic Attribution for Deep Networks, equation 1.

    They add up to the rise of the logit from the mean of the train rows to the input.
    """
    from captum.attr import IntegratedGradients

    explainer = IntegratedGradients(model)

    def attributed(prepared: Tensor, classes: Tensor) -> Tensor:
        found: Tensor = explainer.attribute(
            prepared, target=classes, n_steps=num_steps, internal_batch_size=max(PASSES_PER_RUN, len(prepared))
        )
        return found

    return attributed


def _occlusion(model: nn.Module, num_steps: int) -> Attributed:
    """Zeiler and Fergus (2014), Visualizing and Understanding Convolutional Networks; `num_steps` is not used."""
    del num_steps
    from captum.attr import Occlusion

    explainer = Occlusion(model)

    def attributed(prepared: Tensor, classes: Tensor) -> Tensor:
        window = [max(1, side // WINDOWS_PER_SIDE) for side in prepared.shape[2:]]
        strides = [max(1, side // 2) for side in window]
        channels = prepared.shape[1]
        found: Tensor = explainer.attribute(
            prepared, target=classes, sliding_window_shapes=(channels, *window), strides=(channels, *strides)
        )
        return found / channels  # captum tells the whole fall of the logit at every channel

    return attributed


METHODS: dict[str, Callable[[nn.Module, int], Attributed]] = {
    "integrated_gradients": _integrated_gradients,
    "occlusion": _occlusion,
}
