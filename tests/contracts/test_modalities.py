"""Every registry has an entry for each modality and task of a Spec."""

from typing import get_args

import pytest

from headrace.contracts import ModalityName, TaskName
from headrace.data.augmenters import AUGMENTERS
from headrace.data.checkers import CHECKERS
from headrace.data.datasets import BUILT_INS
from headrace.data.readers import READERS
from headrace.data.transforms import TRANSFORMS
from headrace.models.network import PREPROCESSORS
from headrace.tasks import TASKS

BY_MODALITY = {"augment": AUGMENTERS, "clean": CHECKERS, "network": PREPROCESSORS, "transform": TRANSFORMS}


@pytest.mark.parametrize("stage", BY_MODALITY)
def test_registry_has_every_modality(stage: str) -> None:
    assert set(BY_MODALITY[stage]) == set(get_args(ModalityName))


def test_built_in_datasets_name_a_reader() -> None:
    assert not set(BUILT_INS) & set(READERS)
    assert all(built_in.reader in READERS for built_in in BUILT_INS.values() if built_in.files)


def test_registry_has_every_task() -> None:
    assert set(TASKS) == set(get_args(TaskName))
