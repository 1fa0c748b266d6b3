"""Registries of augmentation: AUGMENTERS changes single train rows, MIXERS mixes pairs of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Augmenter, Json, ModalityName, RowMixer
from headrace.data.image.augmentation.albumentations import ImageAugmenter
from headrace.data.image.augmentation.mixup import cutmix, mixup
from headrace.data.table.encoding.augment import FeatureDropout, TableMixup, TextColumnDropout
from headrace.data.text.augment import TokenDropout

AUGMENTERS: dict[ModalityName, dict[str, Callable[[Any, int, Json], Augmenter]]] = {
    "image": {"augmentation": lambda transforms, seed, _: ImageAugmenter(transforms, seed)},
    "table": {"feature_dropout": FeatureDropout, "token_dropout": TextColumnDropout},
    "text": {"token_dropout": TokenDropout},
}
"""Modality -> key of the section `train` -> factory that takes its value, the seed and `transform.json`."""
MIXERS: dict[str, dict[ModalityName, Callable[[Json], RowMixer]]] = {
    "mixup": {"image": lambda _: mixup, "table": TableMixup},
    "cutmix": {"image": lambda _: cutmix},
}
"""Key of the section `train` -> modality -> factory that takes `transform.json`."""


class AugmentationSettings(Protocol):
    """The section `train`, as far as augmentation reads it: the keys of the tables above, and the seed."""

    @property
    def seed(self) -> int:
        """Of all draws."""
        ...


def make_augmenter(modality: ModalityName, settings: AugmentationSettings, transform: Json) -> Augmenter | None:
    """Returns the augmenter of the section `train`, or None; raises ConfigError if it does not fit the data."""
    augmenters = [
        factory(getattr(settings, key), settings.seed, transform)
        for key, factory in AUGMENTERS[modality].items()
        if getattr(settings, key)
    ]
    return _Chain(augmenters) if len(augmenters) > 1 else next(iter(augmenters), None)


def make_mixers(modality: ModalityName, settings: AugmentationSettings, transform: Json) -> dict[str, RowMixer]:
    """Returns the mixers of the section `train` by key; raises ConfigError if one does not fit the data."""
    return {
        key: factories[modality](transform)
        for key, factories in MIXERS.items()
        if modality in factories and getattr(settings, key)
    }


class _Chain:
    """Several augmenters, one after the other."""

    def __init__(self, augmenters: list[Augmenter]) -> None:
        self._augmenters = augmenters

    def __call__(self, inputs: NDArray[Any], rows: NDArray[np.int64], epoch: int) -> NDArray[Any]:
        for augment in self._augmenters:
            inputs = augment(inputs, rows, epoch)
        return inputs
