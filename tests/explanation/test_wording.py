from typing import get_args

from headrace.contracts import TaskName
from headrace.explanation.examples import CLASS_GROUPS, VALUE_GROUPS
from headrace.explanation.wording import TASK_WORDINGS


def test_every_task_has_headings_for_its_groups_of_examples():
    assert TASK_WORDINGS.keys() == set(get_args(TaskName))
    for task, wording in TASK_WORDINGS.items():
        assert tuple(wording.groups) == (VALUE_GROUPS if task == "regression" else CLASS_GROUPS)
