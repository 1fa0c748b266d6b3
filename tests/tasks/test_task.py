from typing import get_args

from headrace.tasks import TASKS
from headrace.training.settings import TrainSettings


def test_losses_of_the_tasks_are_those_of_the_setting() -> None:
    allowed = get_args(TrainSettings.model_fields["loss"].annotation)
    assert {loss for task in TASKS.values() for loss in task.losses} == set(allowed)
    assert all("auto" in task.losses for task in TASKS.values())
