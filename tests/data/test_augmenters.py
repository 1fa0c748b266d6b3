from typing import Any

import numpy as np
import pytest

from headrace.contracts import ModalityName
from headrace.data.augmenters import AUGMENTERS, MIXERS, make_augmenter, make_mixers
from headrace.settings.data_kind import SCOPES
from headrace.training.settings import ResolvedTrainSettings
from tests.text_tables import make_text_table

TABLE = make_text_table()
TRANSFORM: dict[str, Any] = {"unknown": 1, "tokenizer": {}, "inputs": []}
FLIP = [{"name": "HorizontalFlip"}]


@pytest.mark.parametrize("modality", AUGMENTERS)
def test_default_settings_make_nothing(modality: ModalityName) -> None:
    settings = ResolvedTrainSettings()
    assert make_augmenter(modality, settings, TRANSFORM) is None
    assert make_mixers(modality, settings, TRANSFORM) == {}


def test_keys_are_settings_of_train() -> None:
    keys = {key for factories in AUGMENTERS.values() for key in factories}
    assert keys | set(MIXERS) <= set(ResolvedTrainSettings.model_fields)


def test_scopes_are_the_modalities_that_have_an_augmenter_or_a_mixer() -> None:
    for key in {key for factories in AUGMENTERS.values() for key in factories}:
        modalities = {modality for modality, factories in AUGMENTERS.items() if key in factories}
        assert set(SCOPES[f"train.{key}"].modalities) == modalities
    for key, factories in MIXERS.items():
        assert SCOPES[f"train.{key}"].modalities == tuple(factories)


def test_settings_make_the_augmenter_and_mixers_of_the_modality() -> None:
    settings = ResolvedTrainSettings(augmentation=FLIP, mixup=0.2, cutmix=1.0)
    assert make_augmenter("image", settings, TRANSFORM) is not None
    assert set(make_mixers("image", settings, TRANSFORM)) == {"mixup", "cutmix"}


def test_table_with_texts_has_both_augmentations() -> None:
    settings = ResolvedTrainSettings(feature_dropout=0.3, token_dropout=0.3)
    augment = make_augmenter("table", settings, TABLE.transform)
    assert augment is not None
    augmented = augment(TABLE.inputs, np.arange(len(TABLE.inputs)), 0)
    has_body, unknown = (augmented[:, 17:33] != 0).any(axis=1), TABLE.transform["unknown"]
    assert 0.6 < has_body.mean() < 0.8
    tokens = augmented[:, 17:33][has_body & (augmented[:, 17] != 0)]
    assert 0.2 < (tokens[tokens != 0] == unknown).mean() < 0.4
    assert np.isnan(augmented[:, 16]).mean() == pytest.approx(0.3, abs=0.1)
