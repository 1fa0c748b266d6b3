"""Augmenters. AUGMENTERS: modality -> what makes another, equally true, row of a train row."""

from __future__ import annotations

from pipeline.modalities.image.augment import ImageAugmenter

AUGMENTERS: dict[str, type[ImageAugmenter]] = {"image": ImageAugmenter}
