"""Decodes images and stacks those of the same shape, so that NumPy works on many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.decode import Decoded, UndecodableError, decode_with_mode

STACK_BYTES = 128 * 1024
"""Bytes of decoded images of one shape to collect; measuring a stack takes fifty times its size in memory."""


class Stack(NamedTuple):
    """Images of the same shape."""

    rows: list[int]
    """Their positions in the input."""
    pixels: NDArray[np.uint8]
    """`[rows, height, width, channel]`."""
    modes: list[str]
    """Pillow's name of each file's mode."""


class UndecodableImage(NamedTuple):
    """An image that cannot be decoded."""

    row: int
    reason: str
    """The same bytes always give the same reason."""


def stack_images(images: Iterable[bytes]) -> Iterator[Stack | UndecodableImage]:
    """Decodes each image once, holding about STACK_BYTES of pixels, or one image if that is larger."""
    waiting: defaultdict[tuple[int, ...], list[tuple[int, Decoded]]] = defaultdict(list)
    size = 0
    for row, data in enumerate(images):
        decoded = _decode(data)
        if isinstance(decoded, str):
            yield UndecodableImage(row, decoded)
            continue
        waiting[decoded.pixels.shape].append((row, decoded))
        size += decoded.pixels.nbytes
        if size >= STACK_BYTES:
            yield from map(_stack, waiting.values())
            waiting.clear()
            size = 0
    yield from map(_stack, waiting.values())


def _decode(data: bytes) -> Decoded | str:
    """Returns the decoded image, or the reason why there is none."""
    if not data:
        return "0 bytes"
    try:
        return decode_with_mode(data)
    except UndecodableError as error:
        return str(error)


def _stack(images: list[tuple[int, Decoded]]) -> Stack:
    rows, decoded = zip(*images, strict=True)
    return Stack(list(rows), np.stack([image.pixels for image in decoded]), [image.mode for image in decoded])
