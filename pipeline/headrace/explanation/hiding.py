"""Hiding: what the output loses while one place is erased; slower than gradients, and needs none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.explanation.attributions import Asked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

ROWS_PER_RUN = 256


def hide_each(
    asked: Asked,
    *,
    places: NDArray[np.bool_],
    erase: Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[Any]],
) -> NDArray[np.float32]:
    """The fall of the output that is asked for as each of `places` `[rows, places]` is erased alone; 0 elsewhere.

    Zeiler and Fergus (2014), Visualizing and Understanding Convolutional Networks, section 4.2, a place at a time.
    """
    import numpy as np

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
    import numpy as np
    import torch

    with torch.no_grad():
        parts = [
            network(torch.from_numpy(np.array(inputs[start : start + ROWS_PER_RUN]))).numpy()
            for start in range(0, len(inputs), ROWS_PER_RUN)
        ]
    return np.concatenate(parts)
