"""Checks and encodes the images of a prediction request. Copied into served image models."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.decode import UndecodableError, decode_image, suppress_decoder_warnings
from headrace.data.image.resize import convert_channels, resize_image
from headrace.data.request_rows import InvalidRowError, check_columns, is_missing, quote

COLUMN = "image"
REMEDY = "send the bytes of an image file (over HTTP as base64)"


class Encoder:
    """Turns rows with an image file in `image` into inputs of the graph."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """Reads `input_shape` and `resize` from `card`."""
        del artifacts
        self._shape, self._resize = card["input_shape"], card["resize"]

    def __call__(self, rows: list[dict[str, Any]]) -> NDArray[np.uint8]:
        """Returns uint8 `[rows, height, width, channel]`; raises InvalidRowError."""
        check_columns(rows, [COLUMN])
        with suppress_decoder_warnings():
            return np.stack([self._encode(index, row[COLUMN]) for index, row in enumerate(rows)])

    def _encode(self, index: int, cell: Any) -> NDArray[np.uint8]:
        height, width, channels = self._shape
        try:
            pixels = decode_image(_to_bytes(index, cell))
        except UndecodableError as error:
            raise InvalidRowError(index, COLUMN, f"cannot be decoded as an image ({error}); {REMEDY}") from None
        return resize_image(convert_channels(pixels, channels), (height, width), self._resize)


def _to_bytes(index: int, cell: Any) -> bytes:
    if isinstance(cell, bytes):
        return cell
    if is_missing(cell):
        raise InvalidRowError(index, COLUMN, f"missing; {REMEDY}")
    if not isinstance(cell, str):
        raise InvalidRowError(index, COLUMN, f"{quote(cell)} is a {type(cell).__name__}; {REMEDY}")
    try:
        return base64.b64decode("".join(cell.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRowError(index, COLUMN, f"{quote(cell)} is not base64; {REMEDY}") from None
