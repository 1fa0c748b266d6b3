"""TASKS: the loss, epoch metrics and number of outputs of each task."""

from __future__ import annotations

from headrace.contracts import TaskName
from headrace.tasks.classification import Classification
from headrace.tasks.multilabel import Multilabel
from headrace.tasks.regression import Regression
from headrace.tasks.task import Task

__all__ = ["TASKS", "Task"]

TASKS: dict[TaskName, Task] = {
    "classification": Classification(),
    "multilabel": Multilabel(),
    "regression": Regression(),
}
