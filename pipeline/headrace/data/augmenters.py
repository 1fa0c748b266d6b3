"""Augmentation. AUGMENTERS: modality -> what makes another, equally true, row of a train row. MIXES: a row of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headrace.contracts import Augmenter, Json, Mix, ModalityName
from headrace.data.image.augmentation.albumentations import ImageAugmenter
from headrace.data.image.augmentation.mixup import blend, paste
from headrace.data.table.encoding.augment import FeatureDropout, TableMixup
from headrace.data.text.augment import TokenDropout
from headrace.errors import ConfigError

AUGMENTERS: dict[ModalityName, tuple[str, Callable[[Any, int, Json], Augmenter]]] = {
    "image": ("augmentation", lambda transforms, seed, _: ImageAugmenter(transforms, seed)),
    "table": ("feature_dropout", FeatureDropout),
    "text": ("token_dropout", TokenDropout),
}
"""Modality -> the key of the section `train` that asks for it, and a maker: its value, seed, `transform.json`."""
MIXES: dict[str, dict[ModalityName, Callable[[Json], Mix]]] = {
    "mixup": {"image": lambda _: blend, "table": TableMixup},
    "cutmix": {"image": lambda _: paste},
}
"""Key of the section `train` -> modality -> a maker, of `transform.json`."""
KINDS: dict[ModalityName, str] = {"image": "images", "table": "tables", "text": "texts"}


def make_augmenter(modality: ModalityName, settings: Mapping[str, Any], transform: Json) -> Augmenter | None:
    """What the section `train` asks for, or None; raises ConfigError for what cannot be done with such data."""
    for name, (key, _) in AUGMENTERS.items():
        if settings[key] and name != modality:
            raise _misfit(key, settings[key], [name], modality)
    key, make = AUGMENTERS[modality]
    return make(settings[key], settings["seed"], transform) if settings[key] else None


def make_mixes(modality: ModalityName, settings: Mapping[str, Any], transform: Json) -> dict[str, Mix]:
    """What the section `train` asks for, by its key; raises ConfigError for what cannot be done with such data."""
    found = {}
    for key, makers in MIXES.items():
        if settings[key] and modality not in makers:
            raise _misfit(key, settings[key], list(makers), modality)
        if settings[key]:
            found[key] = makers[modality](transform)
    return found


def _misfit(key: str, value: Any, allowed: list[ModalityName], modality: ModalityName) -> ConfigError:
    kinds = " and ".join(KINDS[name] for name in allowed)
    got, off = (f"{len(value)} transforms of", "[]") if isinstance(value, list) else (f"{value:g} is for", "0")
    return ConfigError(f"params.yaml: train.{key}: {got} {kinds}, and the data are {modality}; set {off}")
