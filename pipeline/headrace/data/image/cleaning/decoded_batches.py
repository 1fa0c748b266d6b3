"""Decodes images and stacks those of the same shape, so that NumPy works on many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.decode import LoadedImage, load_image
from headrace.data.image.open_image import UndecodableError

if TYPE_CHECKING:
    from PIL import Image

STACK_BYTES = 128 * 1024
"""Bytes of decoded images of one shape to collect; measuring a stack takes fifty times its size in memory."""


class Stack(NamedTuple):
    """Images of the same shape."""

    rows: list[int]
    """Their positions in the input."""
    pixels: NDArray[np.uint8]
    """`[rows, height, width, channel]`."""
    images: list[Image.Image]
    """The same pixels as images of Pillow."""
    modes: list[str]
    """Pillow's name of each file's mode."""
    are_animated: list[bool]
    """Whether each file has further frames, or pages."""


class UndecodableImage(NamedTuple):
    """An image that cannot be decoded."""

    row: int
    reason: str
    """The same bytes always give the same reason."""


def stack_images(
    images: Iterable[bytes], value_range: Sequence[float] | None = None
) -> Iterator[Stack | UndecodableImage]:
    """Decodes each image once, holding about STACK_BYTES of pixels, or one image if that is larger.

    `value_range` is that of images of more than 8 bits.
    """
    waiting: defaultdict[tuple[int, ...], list[_Item]] = defaultdict(list)
    size = 0
    for row, data in enumerate(images):
        loaded = _load(data, value_range)
        if isinstance(loaded, str):
            yield UndecodableImage(row, loaded)
            continue
        pixels = loaded.to_pixels()
        waiting[pixels.shape].append(_Item(row, pixels, loaded))
        size += pixels.nbytes
        if size >= STACK_BYTES:
            yield from map(_stack, waiting.values())
            waiting.clear()
            size = 0
    yield from map(_stack, waiting.values())


class _Item(NamedTuple):
    row: int
    pixels: NDArray[np.uint8]
    loaded: LoadedImage


def _load(data: bytes, value_range: Sequence[float] | None) -> LoadedImage | str:
    """Returns the decoded image, or the reason why there is none."""
    if not data:
        return "0 bytes"
    try:
        return load_image(data, value_range)
    except UndecodableError as error:
        return str(error)


def _stack(items: list[_Item]) -> Stack:
    return Stack(
        rows=[item.row for item in items],
        pixels=np.stack([item.pixels for item in items]) if len(items) > 1 else items[0].pixels[None],
        images=[item.loaded.image for item in items],
        modes=[item.loaded.mode for item in items],
        are_animated=[item.loaded.is_animated for item in items],
    )
