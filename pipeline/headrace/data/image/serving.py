"""Encodes images for a served model. A copy is packaged with the model, so this imports only its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.decode import decode_image
from headrace.data.image.resize import convert_channels, resize_image


class Encoder:
    """Turns rows with an encoded image in `image` into inputs of the graph."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """Reads `input_shape` and `resize` from `card`."""
        del artifacts
        self._shape, self._resize = card["input_shape"], card["resize"]

    def __call__(self, rows: list[dict[str, Any]]) -> NDArray[np.uint8]:
        """Returns uint8 `[rows, height, width, channel]`; raises UndecodableError."""
        return np.stack([self._encode(row["image"]) for row in rows])

    def _encode(self, data: bytes) -> NDArray[np.uint8]:
        height, width, channels = self._shape
        return resize_image(convert_channels(decode_image(data), channels), (height, width), self._resize)
