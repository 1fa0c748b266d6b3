"""Registries of augmentation: AUGMENTERS changes single train rows, MIXERS mixes pairs of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from headrace.contracts import Augmenter, Json, ModalityName, RowMixer
from headrace.data.image.augmentation.albumentations import ImageAugmenter
from headrace.data.image.augmentation.mixup import cutmix, mixup
from headrace.data.table.encoding.augment import FeatureDropout, TableMixup
from headrace.data.text.augment import TokenDropout

AUGMENTERS: dict[ModalityName, tuple[str, Callable[[Any, int, Json], Augmenter]]] = {
    "image": ("augmentation", lambda transforms, seed, _: ImageAugmenter(transforms, seed)),
    "table": ("feature_dropout", FeatureDropout),
    "text": ("token_dropout", TokenDropout),
}
"""Modality -> key of the section `train`, and a factory that takes its value, the seed and `transform.json`."""
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
    key, factory = AUGMENTERS[modality]
    value = getattr(settings, key)
    return factory(value, settings.seed, transform) if value else None


def make_mixers(modality: ModalityName, settings: AugmentationSettings, transform: Json) -> dict[str, RowMixer]:
    """Returns the mixers of the section `train` by key; raises ConfigError if one does not fit the data."""
    return {
        key: factories[modality](transform)
        for key, factories in MIXERS.items()
        if modality in factories and getattr(settings, key)
    }
