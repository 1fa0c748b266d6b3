"""Augmentation of images by albumentations: the only importer of it, so that it can be replaced."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, choices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ImageAugmenter:
    """Draws each row's transforms from (seed, epoch, row): they differ from epoch to epoch, never from run to run."""

    def __init__(self, transforms: list[dict[str, Any]], seed: int) -> None:
        """Builds the transforms; raises ConfigError for an unknown name or argument."""
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for a newer version
        import albumentations

        built = [_build(albumentations, entry, index) for index, entry in enumerate(transforms)]
        self._compose = albumentations.Compose(built, seed=seed)
        self._seed = seed

    def __call__(self, inputs: NDArray[np.uint8], rows: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        """uint8 `[rows, height, width, channel]`, positions of these rows -> the same shape, transformed.

        Raises ConfigError for transforms that do not keep it.
        """
        import numpy as np

        augmented = np.empty_like(inputs)
        for index, row in enumerate(rows.tolist()):
            self._compose.set_random_state(
                np.random.Generator(np.random.Philox(key=[self._seed, (epoch << 40) + row])),
                random.Random(f"{self._seed}:{epoch}:{row}"),
            )
            augmented[index] = self._transformed(inputs[index])
        return augmented

    def _transformed(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        where = "params.yaml: train.augmentation"
        try:
            image: NDArray[np.uint8] = self._compose(image=pixels)["image"]
        except Exception as error:  # albumentations' own classes derive from nothing narrower
            raise ConfigError(f"{where}: cannot transform an image of shape {pixels.shape}: {_line(error)}") from error
        if image.dtype != pixels.dtype or image.shape[:2] != pixels.shape[:2] or image.size != pixels.size:
            raise ConfigError(
                f"{where}: makes {image.dtype} {image.shape} of {pixels.dtype} {pixels.shape}; "
                f"use transforms that keep shape and type"
            )
        return image.reshape(pixels.shape)


def _build(library: Any, entry: dict[str, Any], index: int) -> Any:
    name = entry["name"]
    where = f"params.yaml: train.augmentation.{index}"
    kind: Any = getattr(library, name, None)
    if not _is_transform(library, kind):
        known = [key for key, value in vars(library).items() if _is_transform(library, value)]
        close = choices(name, known).partition("(")[2].removesuffix(")")
        raise ConfigError(
            f"{where}.name: {name!r} is no transform of albumentations{'; ' + close if close else ''}; see https://albumentations.ai/docs"
        )
    # YAML has lists where albumentations wants pairs
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key != "name"}
    import warnings
    from inspect import signature

    allowed = signature(kind).parameters
    for key in options:
        if key not in allowed:
            raise ConfigError(f"{where}.{key}: unknown argument of {name}; {choices(str(key), allowed)}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it only warns of an argument that it ignores, and goes on without it
        try:
            return kind(**options)
        except (UserWarning, TypeError, ValueError) as error:
            raise ConfigError(f"{where}: {name} does not take these arguments: {_line(error)}") from None


def _is_transform(library: Any, kind: Any) -> bool:
    root = library.BasicTransform  # in its module stand those that others derive from
    return isinstance(kind, type) and issubclass(kind, root) and kind.__module__ != str(root.__module__)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
