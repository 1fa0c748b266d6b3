"""Augmentation of images by albumentations: the only importer of it, so that it can be replaced."""

from __future__ import annotations

import os
import random
from itertools import accumulate, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.augmentation.batch_transforms import batched
from headrace.data.row_random import STREAMS, uniforms
from headrace.errors import ConfigError, choices

WHERE = "params.yaml: train.augmentation"


class ImageAugmenter:
    """Draws each row's transforms from (seed, epoch, row): they differ from epoch to epoch, never from run to run.

    Those at the list's beginning that `batched` knows work on a whole batch, the others row by row.
    """

    def __init__(self, transforms: list[dict[str, Any]], seed: int) -> None:
        """Builds the transforms; raises ConfigError for an unknown name or argument."""
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for a newer version
        import albumentations
        import cv2

        cv2.setNumThreads(0)  # a row is too little work to share, and the cores are torch's
        built = [_build(albumentations, entry, index) for index, entry in enumerate(transforms)]
        self._fast = [one for one in takewhile(lambda one: one is not None, map(batched, built)) if one]
        rest = built[len(self._fast) :]
        self._compose: Any = albumentations.Compose(rest, seed=seed) if rest else None
        self._seed = seed

    def __call__(self, inputs: NDArray[np.uint8], rows: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        """uint8 `[rows, height, width, channel]`, positions of these rows -> the same shape, transformed.

        Raises ConfigError for transforms that do not keep it.
        """
        try:
            images = self._batch(inputs, rows, epoch)
            if self._compose is not None:
                images = np.stack(
                    [self._transformed(image, row, epoch) for image, row in zip(images, rows.tolist(), strict=True)]
                )
        except Exception as error:  # albumentations' own classes derive from nothing narrower
            raise ConfigError(
                f"{WHERE}: cannot transform an image of shape {inputs.shape[1:]}: {_line(error)}"
            ) from error
        if images.dtype != inputs.dtype or images.shape[:3] != inputs.shape[:3] or images.size != inputs.size:
            raise ConfigError(
                f"{WHERE}: makes {images.dtype} {images.shape[1:]} of {inputs.dtype} {inputs.shape[1:]}; "
                f"use transforms that keep shape and type"
            )
        return images.reshape(inputs.shape)

    def _batch(self, images: NDArray[np.uint8], rows: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        num_draws = [one.num_draws for one in self._fast]
        draws = uniforms(self._seed, STREAMS["image"], epoch, rows, sum(num_draws))
        for one, end in zip(self._fast, accumulate(num_draws), strict=True):
            images = one(images, draws[:, end - one.num_draws : end])
        return images

    def _transformed(self, pixels: NDArray[np.uint8], row: int, epoch: int) -> NDArray[np.uint8]:

        self._compose.set_random_state(
            np.random.Generator(np.random.Philox(key=[self._seed, (epoch << 40) + row])),
            random.Random(f"{self._seed}:{epoch}:{row}"),
        )
        image: NDArray[np.uint8] = self._compose(image=pixels)["image"]
        return image


def _build(library: Any, entry: dict[str, Any], index: int) -> Any:
    name = entry["name"]
    where = f"{WHERE}.{index}"
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
