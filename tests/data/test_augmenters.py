from typing import Any

import pytest

from headrace.contracts import ModalityName
from headrace.data.augmenters import AUGMENTERS, MIXES, make_augmenter, make_mixes
from headrace.errors import ConfigError
from headrace.training.settings import ResolvedTrainSettings

TRANSFORM: dict[str, Any] = {"unknown": 1, "tokenizer": {}, "inputs": []}
FLIP = [{"name": "HorizontalFlip"}]


@pytest.mark.parametrize("modality", AUGMENTERS)
def test_nothing_is_made_unless_it_is_asked_for(modality: ModalityName) -> None:
    settings = ResolvedTrainSettings().model_dump()
    assert make_augmenter(modality, settings, TRANSFORM) is None
    assert make_mixes(modality, settings, TRANSFORM) == {}


def test_keys_are_those_of_the_section_train() -> None:
    assert {key for key, _ in AUGMENTERS.values()} | set(MIXES) <= set(ResolvedTrainSettings.model_fields)


@pytest.mark.parametrize(
    ("modality", "settings", "told"),
    [
        ("table", {"augmentation": FLIP}, "augmentation: 1 transforms of images, and the data are table; set []"),
        ("image", {"token_dropout": 0.1}, "token_dropout: 0.1 is for texts, and the data are image; set 0"),
        ("text", {"feature_dropout": 0.5}, "feature_dropout: 0.5 is for tables, and the data are text; set 0"),
        ("text", {"mixup": 0.2}, "mixup: 0.2 is for images and tables, and the data are text; set 0"),
        ("text", {"cutmix": 1.0}, "cutmix: 1 is for images, and the data are text; set 0"),
        ("table", {"cutmix": 1.0}, "cutmix: 1 is for images, and the data are table; set 0"),
    ],
)
def test_what_the_data_cannot_have_is_refused(modality: ModalityName, settings: dict[str, Any], told: str) -> None:
    asked = ResolvedTrainSettings(**settings).model_dump()
    with pytest.raises(ConfigError) as caught:
        make_augmenter(modality, asked, TRANSFORM), make_mixes(modality, asked, TRANSFORM)
    assert str(caught.value) == f"params.yaml: train.{told}"
