"""CORRUPTIONS: common corruptions of images at five strengths.

After Hendrycks and Dietterich (2019), Benchmarking Neural Network Robustness to Common Corruptions and Perturbations.
The strengths are those of its CIFAR-10-C (https://github.com/hendrycks/robustness, make_cifar_c.py); lengths grow with
the image, from 32 pixels on. Left out are those that need pictures of frost or snow, glass blur and elastic
transforms. Blurs are re-implemented, so that values cannot be compared with published ones to the point.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Images: TypeAlias = NDArray[np.float32]
"""`[rows, height, width, channels]`, in [0, 1]."""
Generators: TypeAlias = list[np.random.Generator]
"""One for each row: the same for each strength, so that strengths differ in nothing else."""
Corruption: TypeAlias = "Callable[[Images, int, Generators], Images]"
"""Images, index of the strength, generators -> corrupted images, which may leave [0, 1]."""
SIDE_PX = 32
"""Side of the images that the lengths are given for."""
ZOOM_STEP = 0.01
FOG_OCTAVE_SIDE = 2
"""Side of the coarsest grid of random heights."""


def add_gaussian_noise(images: Images, strength: int, generators: Generators) -> Images:
    """Noise of electronics in low light."""
    noise = np.stack([rng.standard_normal(images.shape[1:], dtype=np.float32) for rng in generators])
    return images + np.float32((0.04, 0.06, 0.08, 0.09, 0.10)[strength]) * noise


def add_shot_noise(images: Images, strength: int, generators: Generators) -> Images:
    """Noise of few photons: Poisson counts."""
    photons = (500, 250, 100, 75, 50)[strength]
    pairs = zip(images, generators, strict=True)
    return np.stack([rng.poisson(image * photons) / photons for image, rng in pairs]).astype(np.float32)


def add_impulse_noise(images: Images, strength: int, generators: Generators) -> Images:
    """Salt and pepper: single values at either end."""
    fraction = (0.01, 0.02, 0.03, 0.05, 0.07)[strength]
    draws = np.stack([rng.random(images.shape[1:], dtype=np.float32) for rng in generators])
    is_low, is_high = draws < fraction / 2, draws > 1 - fraction / 2
    return np.where(is_low, np.float32(0), np.where(is_high, np.float32(1), images))


def defocus(images: Images, strength: int, generators: Generators) -> Images:
    """A disc for each point, with a soft edge."""
    from scipy.ndimage import gaussian_filter

    del generators
    radius, softness = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))[strength]
    scale = _length_scale(images)
    reach = int(np.ceil(radius * scale + 3 * softness))
    offsets = np.arange(-reach, reach + 1)
    disc = (offsets[:, None] ** 2 + offsets[None, :] ** 2 <= (radius * scale) ** 2).astype(np.float32)
    return _convolve(images, gaussian_filter(disc, softness * scale, mode="constant"))


def blur_by_motion(images: Images, strength: int, generators: Generators) -> Images:
    """A fading trail in a direction of -45 to 45 degrees."""
    radius, sigma = ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))[strength]
    scale = _length_scale(images)
    steps = np.arange(int(radius * scale) + 1)
    weights = np.exp(-(steps**2) / (2 * (sigma * scale) ** 2)).astype(np.float32)
    angles = np.array([rng.uniform(-np.pi / 4, np.pi / 4) for rng in generators])
    trail = [
        _shift(images, np.rint(step * np.sin(angles)).astype(int), np.rint(step * np.cos(angles)).astype(int)) * weight
        for step, weight in zip(steps.tolist(), weights, strict=True)
    ]
    return np.asarray(np.sum(trail, axis=0) / weights.sum(), np.float32)


def blur_by_zoom(images: Images, strength: int, generators: Generators) -> Images:
    """The mean over zooms up to 1.06, 1.11, 1.16, 1.21 or 1.26."""
    del generators
    zooms = 1 + np.arange(6 + 5 * strength) * ZOOM_STEP
    height, width = images.shape[1:3]
    total = images.copy()
    for zoom in zooms:
        rows, columns = (np.rint(((np.arange(n) + 0.5) - n / 2) / zoom + n / 2 - 0.5) for n in (height, width))
        total += images[:, rows.astype(int)[:, None], columns.astype(int)[None, :]]
    return total / np.float32(len(zooms) + 1)


def add_fog(images: Images, strength: int, generators: Generators) -> Images:
    """A layer of random density at all scales."""
    density, decay = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))[strength]
    largest = images.max(axis=(1, 2, 3), keepdims=True)
    layers = _draw_fog((images.shape[1], images.shape[2]), decay, generators)[..., None]
    return np.asarray((images + density * layers) * largest / np.maximum(largest + density, 1e-6), np.float32)


def brighten(images: Images, strength: int, generators: Generators) -> Images:
    """More light: a larger value (HSV) of each pixel, at the same hue and saturation."""
    del generators
    value = images.max(axis=-1, keepdims=True)
    brighter = np.minimum(value + np.float32((0.05, 0.1, 0.15, 0.2, 0.3)[strength]), 1)
    return np.asarray(np.where(value > 0, images * brighter / np.maximum(value, 1e-6), brighter), np.float32)


def reduce_contrast(images: Images, strength: int, generators: Generators) -> Images:
    """Closer to the mean of each channel."""
    del generators
    mean = images.mean(axis=(1, 2), keepdims=True)
    return np.asarray((images - mean) * (0.75, 0.5, 0.4, 0.3, 0.15)[strength] + mean, np.float32)


def pixelate(images: Images, strength: int, generators: Generators) -> Images:
    """Fewer pixels, enlarged."""
    del generators
    fraction = (0.95, 0.9, 0.85, 0.75, 0.65)[strength]

    def reduce_size(picture: object) -> object:
        from PIL import Image

        small = (max(1, int(picture.width * fraction)), max(1, int(picture.height * fraction)))  # type: ignore[attr-defined]
        return picture.resize(small, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)  # type: ignore[attr-defined]

    return _map_pictures(images, reduce_size)


def compress_as_jpeg(images: Images, strength: int, generators: Generators) -> Images:
    """JPEG of quality 80, 65, 58, 50 or 40."""
    del generators
    quality = (80, 65, 58, 50, 40)[strength]

    def compress(picture: object) -> object:
        from PIL import Image

        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)  # type: ignore[attr-defined]
        return Image.open(buffer)

    return _map_pictures(images, compress)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": add_gaussian_noise,
    "shot_noise": add_shot_noise,
    "impulse_noise": add_impulse_noise,
    "defocus_blur": defocus,
    "motion_blur": blur_by_motion,
    "zoom_blur": blur_by_zoom,
    "fog": add_fog,
    "brightness": brighten,
    "contrast": reduce_contrast,
    "pixelate": pixelate,
    "jpeg_compression": compress_as_jpeg,
}


def corrupt_images(name: str, pixels: NDArray[np.uint8], strength: int, generators: Generators) -> NDArray[np.uint8]:
    """Applies a corruption to `[rows, height, width, channels]` of 1 or 3 channels; `strength` is 0 to 4."""
    images = CORRUPTIONS[name](np.asarray(pixels / 255, np.float32), strength, generators)
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def _length_scale(images: Images) -> float:
    return max(1.0, float(min(images.shape[1:3])) / SIDE_PX)


def _convolve(images: Images, kernel: NDArray[np.float32]) -> Images:
    from scipy.ndimage import convolve

    return np.asarray(convolve(images, (kernel / kernel.sum())[None, :, :, None], mode="nearest"))


def _shift(images: Images, down: NDArray[np.int64], right: NDArray[np.int64]) -> Images:
    """Moves each image by its own numbers of pixels; its edge fills what becomes free."""
    height, width = images.shape[1:3]
    rows = np.clip(np.arange(height) - down[:, None], 0, height - 1)
    columns = np.clip(np.arange(width) - right[:, None], 0, width - 1)
    return np.asarray(images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]])


def _draw_fog(shape: tuple[int, int], decay: float, generators: Generators) -> NDArray[np.float64]:
    """`[rows, height, width]` in [0, 1]: random heights on grids of doubling fineness, each flatter by `decay`."""
    heights, side, weight = np.zeros((len(generators), *shape)), FOG_OCTAVE_SIDE, 1.0
    while side <= 2 * max(shape):
        grids = np.stack([rng.random((side + 1, side + 1)) for rng in generators])
        for size in shape:  # lines first, then, in the transposed grid, columns
            grids = _interpolate(grids, np.linspace(0, side, size)).transpose(0, 2, 1)
        heights += weight * grids
        side, weight = side * 2, weight / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return np.asarray(heights / np.maximum(heights.max(axis=(1, 2), keepdims=True), 1e-6))


def _interpolate(grids: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation between the lines of each grid at fractional places."""
    below = np.minimum(places.astype(int), grids.shape[1] - 2)
    fraction = (places - below)[:, None]
    return np.asarray(grids[:, below] * (1 - fraction) + grids[:, below + 1] * fraction)


def _map_pictures(images: Images, change: Callable[[object], object]) -> Images:
    """Applies a function of Pillow images to each row."""
    from PIL import Image

    changed = np.empty_like(images)
    for row, pixels in enumerate(np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)):
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        changed[row] = np.asarray(change(picture), np.float32).reshape(pixels.shape) / 255
    return changed
