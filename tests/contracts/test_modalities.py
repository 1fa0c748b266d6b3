"""Every modality and task that a Spec may name stands in every table."""

from typing import get_args

import pytest

from headrace.contracts import ModalityName, TaskName
from headrace.data.augmenters import AUGMENTERS
from headrace.data.checkers import EXAMINERS
from headrace.data.datasets import BUILT_INS
from headrace.data.readers import READERS
from headrace.data.transforms import TRANSFORMS
from headrace.models.network import PREPROCESSORS
from headrace.tasks import TASKS

BY_MODALITY = {"augment": AUGMENTERS, "clean": EXAMINERS, "network": PREPROCESSORS, "transform": TRANSFORMS}


@pytest.mark.parametrize("verb", BY_MODALITY)
def test_every_modality_has_every_verb(verb: str) -> None:
    assert set(BY_MODALITY[verb]) == set(get_args(ModalityName))


def test_built_in_sets_are_read_by_a_reader_or_by_themselves() -> None:
    assert not set(BUILT_INS) & set(READERS)
    assert all(built_in.reader in READERS for built_in in BUILT_INS.values() if built_in.files)


def test_every_task_has_its_entry() -> None:
    assert set(TASKS) == set(get_args(TaskName))
