"""Registries of augmentation: AUGMENTERS changes single train rows, MIXERS mixes pairs of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headrace.contracts import Augmenter, Json, ModalityName, RowMixer
from headrace.data.image.augmentation.albumentations import ImageAugmenter
from headrace.data.image.augmentation.mixup import cutmix, mixup
from headrace.data.table.encoding.augment import FeatureDropout, TableMixup
from headrace.data.text.augment import TokenDropout
from headrace.errors import ConfigError

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
PLURALS: dict[ModalityName, str] = {"image": "images", "table": "tables", "text": "texts"}


def make_augmenter(modality: ModalityName, settings: Mapping[str, Any], transform: Json) -> Augmenter | None:
    """Returns the augmenter of the section `train`, or None; raises ConfigError if it does not fit the modality."""
    for name, (key, _) in AUGMENTERS.items():
        if settings[key] and name != modality:
            raise _unsupported(key, settings[key], [name], modality)
    key, factory = AUGMENTERS[modality]
    return factory(settings[key], settings["seed"], transform) if settings[key] else None


def make_mixers(modality: ModalityName, settings: Mapping[str, Any], transform: Json) -> dict[str, RowMixer]:
    """Returns the mixers of the section `train` by key; raises ConfigError if one does not fit the modality."""
    mixers = {}
    for key, factories in MIXERS.items():
        if settings[key] and modality not in factories:
            raise _unsupported(key, settings[key], list(factories), modality)
        if settings[key]:
            mixers[key] = factories[modality](transform)
    return mixers


def _unsupported(key: str, value: Any, allowed: list[ModalityName], modality: ModalityName) -> ConfigError:
    kinds = " and ".join(PLURALS[name] for name in allowed)
    got, off = (f"{len(value)} transforms of", "[]") if isinstance(value, list) else (f"{value:g} is for", "0")
    return ConfigError(f"params.yaml: train.{key}: {got} {kinds}, but the modality is {modality}; set {off}")
