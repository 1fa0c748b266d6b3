"""Every modality and task that a Spec may name stands in every table."""

from typing import get_args

import pytest

from pipeline.contracts import ModalityName, TaskName
from pipeline.modalities.augment import AUGMENTERS
from pipeline.modalities.clean import EXAMINERS
from pipeline.modalities.network import PREPROCESSORS
from pipeline.modalities.read import BUILT_INS, MODALITIES, READERS
from pipeline.modalities.transform import TRANSFORMS
from pipeline.tasks import TASKS

BY_MODALITY = {"augment": AUGMENTERS, "clean": EXAMINERS, "network": PREPROCESSORS, "transform": TRANSFORMS}


@pytest.mark.parametrize("verb", BY_MODALITY)
def test_every_modality_has_every_verb(verb: str) -> None:
    assert set(BY_MODALITY[verb]) == set(get_args(ModalityName))


def test_every_format_tells_its_modality() -> None:
    assert set(MODALITIES) == set(READERS)
    assert set(MODALITIES.values()) == set(get_args(ModalityName))
    assert set(BUILT_INS) <= set(READERS)


def test_every_task_has_its_entry() -> None:
    assert set(TASKS) == set(get_args(TaskName))
