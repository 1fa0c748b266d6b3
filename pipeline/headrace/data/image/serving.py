"""Checks and encodes the images of a prediction request. Copied into served image models."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.decode import decode_to_shape
from headrace.data.image.open_image import UndecodableError, suppress_decoder_warnings
from headrace.data.image.resize import resize_pixels
from headrace.data.request_rows import Encoded, Problem, check_columns, is_missing, name_kind, quote

COLUMN = "image"
REMEDY = "send the bytes of an image file (over HTTP as base64)"


class Encoder:
    """Turns rows with an image file in `image` into inputs of the graph."""

    def __init__(self, card: dict[str, Any], artifacts: dict[str, str]) -> None:
        """Reads `input_shape`, `resize` and `image_range` from `card`, and the names of other columns of the source."""
        del artifacts
        self._shape, self._resize, self._range = card["input_shape"], card["resize"], card.get("image_range")
        self.columns, self._unused = [COLUMN], card.get("other_columns", [])

    def __call__(self, rows: list[dict[str, Any]]) -> Encoded:
        """Returns uint8 `[rows, height, width, channel]`."""
        problems = check_columns(rows, [COLUMN], self._unused)
        absent = {problem.row for problem in problems if problem.column == COLUMN}
        inputs = np.zeros((len(rows), *self._shape), np.uint8)
        with suppress_decoder_warnings():
            for index, row in enumerate(rows):
                problem = None if index in absent else self._encode(row[COLUMN], inputs[index])
                if problem:
                    problems.append(Problem(index, COLUMN, problem, REMEDY))
        return Encoded(inputs, [p._replace(is_answerable=p.column != COLUMN) for p in problems])

    def fit_shape(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Converts pixels `[height, width, channel]` to the shape of an input."""
        return resize_pixels(pixels, self._shape, self._resize)

    def _encode(self, cell: Any, into: NDArray[np.uint8]) -> str:
        """Writes the pixels of a cell; returns what is wrong with it, or an empty string."""
        data = _to_bytes(cell)
        if isinstance(data, str):
            return data
        try:
            into[:] = decode_to_shape(data, self._shape, self._resize, self._range)
        except UndecodableError as error:
            return f"cannot be decoded as an image ({error})"
        return ""


def _to_bytes(cell: Any) -> bytes | str:
    """Returns the bytes of a cell, or what is wrong with it."""
    if isinstance(cell, bytes):
        return cell
    if is_missing(cell):
        return "missing"
    if not isinstance(cell, str):
        return f"{quote(cell)} is {name_kind(cell)}"
    try:
        return base64.b64decode("".join(cell.split()), validate=True)
    except (binascii.Error, ValueError):
        return f"{quote(cell)} is not base64"
