from typing import Any

import pytest

from headrace.contracts import ModalityName
from headrace.data.augmenters import AUGMENTERS, MIXERS, make_augmenter, make_mixers
from headrace.errors import ConfigError
from headrace.training.settings import ResolvedTrainSettings

TRANSFORM: dict[str, Any] = {"unknown": 1, "tokenizer": {}, "inputs": []}
FLIP = [{"name": "HorizontalFlip"}]


@pytest.mark.parametrize("modality", AUGMENTERS)
def test_default_settings_make_nothing(modality: ModalityName) -> None:
    settings = ResolvedTrainSettings().model_dump()
    assert make_augmenter(modality, settings, TRANSFORM) is None
    assert make_mixers(modality, settings, TRANSFORM) == {}


def test_keys_are_settings_of_train() -> None:
    assert {key for key, _ in AUGMENTERS.values()} | set(MIXERS) <= set(ResolvedTrainSettings.model_fields)


@pytest.mark.parametrize(
    ("modality", "settings", "message"),
    [
        ("table", {"augmentation": FLIP}, "augmentation: 1 transforms of images, but the modality is table; set []"),
        ("image", {"token_dropout": 0.1}, "token_dropout: 0.1 is for texts, but the modality is image; set 0"),
        ("text", {"feature_dropout": 0.5}, "feature_dropout: 0.5 is for tables, but the modality is text; set 0"),
        ("text", {"mixup": 0.2}, "mixup: 0.2 is for images and tables, but the modality is text; set 0"),
        ("text", {"cutmix": 1.0}, "cutmix: 1 is for images, but the modality is text; set 0"),
        ("table", {"cutmix": 1.0}, "cutmix: 1 is for images, but the modality is table; set 0"),
    ],
)
def test_setting_of_another_modality_is_refused(modality: ModalityName, settings: dict[str, Any], message: str) -> None:
    resolved = ResolvedTrainSettings(**settings).model_dump()
    with pytest.raises(ConfigError) as caught:
        make_augmenter(modality, resolved, TRANSFORM), make_mixers(modality, resolved, TRANSFORM)
    assert str(caught.value) == f"params.yaml: train.{message}"
