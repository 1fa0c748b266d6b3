"""Image augmentation with albumentations. No other module imports it, so it can be replaced."""

from __future__ import annotations

import os
import random
import warnings
from itertools import accumulate, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.data.image.augmentation.batch_transforms import to_batch_transform
from headrace.data.row_random import STREAMS, draw_uniforms
from headrace.errors import ConfigError

WHERE = "params.yaml: train.augmentation"


class ImageAugmenter:
    """Draws the transforms of a row from (seed, epoch, row): they differ between epochs, never between runs.

    The leading transforms that have a batch version run on whole batches, the rest row by row.
    """

    def __init__(self, transforms: list[dict[str, Any]], seed: int) -> None:
        """Builds the transforms, with the names of `transform_table`; raises ConfigError for invalid arguments."""
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would query the network for a newer version
        import albumentations
        import cv2

        cv2.setNumThreads(0)  # a row is too little work for threads, and torch uses the cores
        built = [_build(albumentations, entry, index) for index, entry in enumerate(transforms)]
        self._batched = [step for step in takewhile(bool, map(to_batch_transform, built)) if step]
        rest = built[len(self._batched) :]
        self._compose: Any = albumentations.Compose(rest, seed=seed) if rest else None
        self._seed = seed

    def __call__(self, inputs: NDArray[np.uint8], rows: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        """Transforms uint8 `[rows, height, width, channel]`; `rows` are the positions of these rows in the train set.

        Raises ConfigError for transforms that change the shape or type.
        """
        try:
            images = self._apply_batched(inputs, rows, epoch)
            if self._compose is not None:
                images = np.stack(
                    [self._transform_row(image, row, epoch) for image, row in zip(images, rows.tolist(), strict=True)]
                )
        except Exception as error:  # albumentations' own classes have no narrower base class
            raise ConfigError(
                f"{WHERE}: cannot transform an image of shape {inputs.shape[1:]}: {_shorten(error)}"
            ) from error
        if images.dtype != inputs.dtype or images.shape[:3] != inputs.shape[:3] or images.size != inputs.size:
            raise ConfigError(
                f"{WHERE}: turns {inputs.dtype} {inputs.shape[1:]} into {images.dtype} {images.shape[1:]}; "
                f"use transforms that preserve shape and type"
            )
        return images.reshape(inputs.shape)

    def _apply_batched(self, images: NDArray[np.uint8], rows: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        num_draws = [step.num_draws for step in self._batched]
        draws = draw_uniforms(self._seed, STREAMS["image"], epoch, rows, sum(num_draws))
        for step, end in zip(self._batched, accumulate(num_draws), strict=True):
            images = step(images, draws[:, end - step.num_draws : end])
        return images

    def _transform_row(self, pixels: NDArray[np.uint8], row: int, epoch: int) -> NDArray[np.uint8]:
        self._compose.set_random_state(
            np.random.Generator(np.random.Philox(key=[self._seed, (epoch << 40) + row])),
            random.Random(f"{self._seed}:{epoch}:{row}"),
        )
        image: NDArray[np.uint8] = self._compose(image=pixels)["image"]
        return image


def _build(library: Any, entry: dict[str, Any], index: int) -> Any:
    name = entry["name"]
    # albumentations expects tuples; YAML has lists
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key != "name"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it ignores an invalid argument with a mere warning
        try:
            return getattr(library, name)(**options)
        except (UserWarning, TypeError, ValueError) as error:
            raise ConfigError(f"{WHERE}.{index}: {name} does not take these arguments: {_shorten(error)}") from None


def _shorten(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
