"""Images of one shape on one stack: what NumPy works on at once, instead of an image at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.decode import Decoded, UndecodableError, decode_with_mode

STACK_BYTES = 128 * 1024
"""Decoded pixels that wait for others of their shape: few, since what is made of them takes fifty times as much."""


class Stack(NamedTuple):
    """Images of one shape."""

    rows: list[int]
    """Their places among the images that were given."""
    pixels: NDArray[np.uint8]
    """`[rows, height, width, channel]`."""
    modes: list[str]
    """By image: the file's own mode, as Pillow names it."""


class Unusable(NamedTuple):
    """An image that cannot be decoded."""

    row: int
    reason: str
    """The same for the same bytes."""


def stacks(images: Iterable[bytes]) -> Iterator[Stack | Unusable]:
    """Decodes each image once; memory holds some STACK_BYTES of pixels, and at least one image."""
    waiting: defaultdict[tuple[int, ...], list[tuple[int, Decoded]]] = defaultdict(list)
    size = 0
    for row, data in enumerate(images):
        decoded = _decoded(data)
        if isinstance(decoded, str):
            yield Unusable(row, decoded)
            continue
        waiting[decoded.pixels.shape].append((row, decoded))
        size += decoded.pixels.nbytes
        if size >= STACK_BYTES:
            yield from map(_stack, waiting.values())
            waiting.clear()
            size = 0
    yield from map(_stack, waiting.values())


def _decoded(data: bytes) -> Decoded | str:
    """What the bytes are, or why they are nothing."""
    if not data:
        return "0 bytes"
    try:
        return decode_with_mode(data)
    except UndecodableError as error:
        return str(error)


def _stack(images: list[tuple[int, Decoded]]) -> Stack:

    rows, decoded = zip(*images, strict=True)
    return Stack(list(rows), np.stack([image.pixels for image in decoded]), [image.mode for image in decoded])
