"""Augmenters. AUGMENTERS: modality -> what makes another, equally true, row of a train row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from pipeline.contracts import ModalityName
from pipeline.errors import ConfigError
from pipeline.modalities.image.augment import ImageAugmenter


def _refuse(modality: ModalityName, transforms: list[dict[str, Any]], seed: int) -> NoReturn:
    del seed
    raise ConfigError(
        f"params.yaml: train.augmentation: {len(transforms)} transforms of images, and the data are {modality}; set []"
    )


AUGMENTERS: dict[ModalityName, Callable[[list[dict[str, Any]], int], Any]] = {
    "image": ImageAugmenter,
    "table": partial(_refuse, "table"),
    "text": partial(_refuse, "text"),
}
"""Modality -> a maker of an augmenter (inputs, rows, epoch) -> inputs, of `train.augmentation` and a seed."""
