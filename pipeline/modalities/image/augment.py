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
        """uint8 `[rows, height, width, channel]`, positions of these rows -> the same shape, transformed."""
        import numpy as np

        augmented = np.empty_like(inputs)
        for index, row in enumerate(rows.tolist()):
            self._compose.set_random_state(
                np.random.Generator(np.random.Philox(key=[self._seed, (epoch << 40) + row])),
                random.Random(f"{self._seed}:{epoch}:{row}"),
            )
            augmented[index] = self._compose(image=inputs[index])["image"].reshape(inputs.shape[1:])
        return augmented


def _build(library: Any, entry: dict[str, Any], index: int) -> Any:
    name = entry["name"]
    where = f"params.yaml: train.augmentation.{index}"
    kind = getattr(library, name, None)
    if not (isinstance(kind, type) and issubclass(kind, library.BasicTransform)):
        known = [
            key
            for key, value in vars(library).items()
            if isinstance(value, type) and issubclass(value, library.BasicTransform)
        ]
        close = choices(name, known).partition("(")[2].removesuffix(")")
        raise ConfigError(
            f"{where}.name: {name!r} is no transform of albumentations{'; ' + close if close else ''}; see https://albumentations.ai/docs"
        )
    # YAML has lists where albumentations wants pairs
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key != "name"}
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it only warns of an unknown argument, and goes on without it
        try:
            return kind(**options)
        except (UserWarning, TypeError, ValueError) as error:
            raise ConfigError(
                f"{where}: {name} does not take these arguments: {' '.join(str(error).split())[:200]}"
            ) from None
