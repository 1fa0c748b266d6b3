"""Tasks: what a network is asked for. TASKS: name -> loss, figures and output size."""

from __future__ import annotations

from pipeline.contracts import TaskName
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression
from pipeline.tasks.task import Task

__all__ = ["TASKS", "Task"]

TASKS: dict[TaskName, Task] = {
    "classification": Classification(),
    "multilabel": Multilabel(),
    "regression": Regression(),
}
