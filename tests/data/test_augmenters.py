from typing import Any

import pytest

from headrace.contracts import ModalityName
from headrace.data.augmenters import AUGMENTERS, MIXERS, make_augmenter, make_mixers
from headrace.settings.data_kind import SCOPES
from headrace.training.settings import ResolvedTrainSettings

TRANSFORM: dict[str, Any] = {"unknown": 1, "tokenizer": {}, "inputs": []}
FLIP = [{"name": "HorizontalFlip"}]


@pytest.mark.parametrize("modality", AUGMENTERS)
def test_default_settings_make_nothing(modality: ModalityName) -> None:
    settings = ResolvedTrainSettings()
    assert make_augmenter(modality, settings, TRANSFORM) is None
    assert make_mixers(modality, settings, TRANSFORM) == {}


def test_keys_are_settings_of_train() -> None:
    assert {key for key, _ in AUGMENTERS.values()} | set(MIXERS) <= set(ResolvedTrainSettings.model_fields)


def test_scopes_are_the_modalities_that_have_an_augmenter_or_a_mixer() -> None:
    for modality, (key, _) in AUGMENTERS.items():
        assert SCOPES[f"train.{key}"].modalities == (modality,)
    for key, factories in MIXERS.items():
        assert SCOPES[f"train.{key}"].modalities == tuple(factories)


def test_settings_make_the_augmenter_and_mixers_of_the_modality() -> None:
    settings = ResolvedTrainSettings(augmentation=FLIP, mixup=0.2, cutmix=1.0)
    assert make_augmenter("image", settings, TRANSFORM) is not None
    assert set(make_mixers("image", settings, TRANSFORM)) == {"mixup", "cutmix"}
