"""What a served model makes of the images it is asked about. Travels with the model: needs no other room."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.decode import decode
from headrace.data.image.resize import fit_to, with_channels


class Encoder:
    """Rows with an encoded image in `image` -> the graph's inputs."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """`card` tells `input_shape` and `resize`."""
        del artifacts
        self._shape, self._resize = card["input_shape"], card["resize"]

    def __call__(self, rows: list[dict[str, Any]]) -> NDArray[np.uint8]:
        """-> uint8 `[rows, height, width, channel]`; raises what `decode` raises for what is no image."""
        height, width, channels = self._shape
        images = [fit_to(with_channels(decode(row["image"]), channels), (height, width), self._resize) for row in rows]
        return np.stack(images)
