"""Decodes image files the same way in every stage, with one kind of error. Copied into served image models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.deep_values import DeepImage, find_raw_mode, read_deep_values
from headrace.data.image.open_image import (
    TRANSPOSITIONS,
    UndecodableError,
    max_pixels,
    open_image,
    read_orientation,
    suppress_decoder_warnings,
    translate_decoder_errors,
)
from headrace.data.image.resize import fit_image
from headrace.data.image.value_range import FULL_RANGE, choose_range, measure_extent, scale_values

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")
PLAIN_MODES = ("L", "RGB")
"""Pillow's names of the two modes of decoded pixels: 8-bit grey, and 8 bits for each of three colours."""
OWN_RANGE = (0.0, 0.0)
"""In place of a range of values: that of the image itself, to show it to a person."""


class LoadedImage(NamedTuple):
    """An image, decoded and upright."""

    image: Image.Image
    """Of one of PLAIN_MODES."""
    mode: str
    """Pillow's name of the file's mode, or of its layout; pixels of a mode outside PLAIN_MODES were converted."""
    is_animated: bool
    """Whether the file has further frames, or pages."""

    def to_pixels(self) -> NDArray[np.uint8]:
        """Returns pixels `[height, width, channel]`: 1 channel for a grey image, else 3 (RGB)."""
        pixels = np.asarray(self.image)
        return pixels[..., None] if pixels.ndim == 2 else pixels  # noqa: PLR2004


def load_image(data: bytes, value_range: Sequence[float] | None = None) -> LoadedImage:
    """Decodes an image; raises UndecodableError for truncated bytes, unknown formats and too many pixels.

    Applies the EXIF orientation, blends transparency with white, takes the first frame of an animation. Of images of
    more than 8 bits, `value_range` becomes 0 to 255; None: the full range of 16 bits, and no others can be decoded.
    A JPEG of more than max_pixels is read at half its size. Smaller ones never are: it is faster, but resized pixels
    then differ by up to 5 levels on average.
    """
    with translate_decoder_errors(), open_image(data) as image:
        raw_mode, is_animated = find_raw_mode(image), _has_more_frames(image)
        if image.width * image.height > max_pixels():
            image.draft(image.mode, (image.width // 2, image.height // 2))
        image.load()
        transposition = TRANSPOSITIONS.get(read_orientation(image, data))
        deep = read_deep_values(image, raw_mode, data)
        mode = raw_mode if deep and image.mode in {"L", "RGB"} else image.mode
        plain = _convert_mode(image, deep, value_range)
        if transposition is not None:
            from PIL import Image

            plain = plain.transpose(Image.Transpose[transposition])
    return LoadedImage(plain, mode, is_animated)


def decode_image(data: bytes, value_range: Sequence[float] | None = None) -> NDArray[np.uint8]:
    """Returns pixels `[height, width, channel]`: 1 channel for a grey image, else 3 (RGB); see load_image."""
    return load_image(data, value_range).to_pixels()


def decode_to_shape(
    data: bytes, shape: Sequence[int], rule: str, value_range: Sequence[float] | None = None
) -> NDArray[np.uint8]:
    """Returns pixels of a shape (height, width, channels), resized by a rule of resize.py."""
    return fit_image(load_image(data, value_range).image, shape, rule)


def map_images(images: Iterable[bytes], work: Callable[[bytes], T]) -> list[T | UndecodableError]:
    """Returns `work(data)` of each image, or the UndecodableError that it raises, in order.

    Uses one core: callers distribute whole batches over processes or machines.
    """

    def attempt(data: bytes) -> T | UndecodableError:
        try:
            return work(data)
        except UndecodableError as error:
            return error

    with suppress_decoder_warnings():
        return [attempt(data) for data in images]


def is_grey(image: Image.Image) -> bool:
    """Whether an image has grey levels only, by its mode or palette; decodes those with a palette."""
    if image.mode in {"P", "PA"}:
        palette = image.getpalette() or []
        return palette[0::3] == palette[1::3] == palette[2::3]
    return image.mode in {"1", "L", "LA", "La", "F"} or image.mode.startswith("I")


def _convert_mode(image: Image.Image, deep: DeepImage | None, value_range: Sequence[float] | None) -> Image.Image:
    """Converts a decoded image to one of PLAIN_MODES."""
    from PIL import Image

    if deep is not None:
        scaled = scale_values(deep.values, _find_range(deep.values, value_range), is_inverted=deep.is_inverted)
        image = Image.fromarray(scaled)
        if deep.alpha is not None:
            image.putalpha(deep.alpha)
    mode = "L" if is_grey(image) else "RGB"
    if image.has_transparency_data:
        return _on_white(image, mode)
    return image if image.mode == mode else image.convert(mode)


def _find_range(values: NDArray[Any], value_range: Sequence[float] | None) -> Sequence[float]:
    if value_range == OWN_RANGE:
        return choose_range(measure_extent(values))
    if value_range is not None:
        return value_range
    if values.dtype.kind == "f" or values.min() < FULL_RANGE[0] or values.max() > FULL_RANGE[1]:
        raise UndecodableError(
            f"pixels from {values.min():g} to {values.max():g}, of unknown range: no train image has more than 8 bits;"
            " convert it to 8 bits, or set normalize.image_range: [LOW, HIGH]"
        )
    return FULL_RANGE


def _has_more_frames(image: Image.Image) -> bool:
    """Whether the file has several pictures; those of an MPO (phones) are further views of the first one."""
    return image.format != "MPO" and getattr(image, "is_animated", False)


def _on_white(image: Image.Image, mode: str) -> Image.Image:
    from PIL import Image

    layered = image.convert("LA" if mode == "L" else "RGBA")
    flat = Image.new(mode, image.size, "white")
    flat.paste(layered.convert(mode), mask=layered.getchannel("A"))
    return flat
