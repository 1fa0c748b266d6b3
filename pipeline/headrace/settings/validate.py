"""The section `validate` of `params.yaml`."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field, field_validator

from headrace.config import Section
from headrace.contracts import TaskName
from headrace.evaluation.gates.bounds import Gate, find_gate_mistakes


class Baselines(Section):
    """The simple models that the network is compared with."""

    seconds: Annotated[float, Field(ge=0)] = 60
    """Wall-clock limit of fitting each of them; one that exceeds it is skipped. 0: no baselines."""
    rows: Annotated[int, Field(gt=0)] = 50_000
    """Train rows that they are fitted to at most, drawn at random."""


class Config(Section):
    """The section `validate`."""

    gate: Gate = Gate()
    """Bounds on this stage's metrics, such as `{accuracy: {min: 0.9}}`; the pipeline stops if one is not met.
    Regression: `{r2: {min: 0.8}}`, or `{rmse: {max: 3}}` in the target's unit; multilabel: `{micro_f1: ...}`. Also on
    `slices`, and against the champion: see docs/gates.md."""
    baselines: Baselines = Baselines()
    """Majority class or mean, a linear model and, for tables, gradient boosting: see docs/baselines.md."""
    target_accuracy: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Accuracy in (0, 1] that rows above the confidence `threshold` must reach; classification only."""

    @field_validator("gate")
    @classmethod
    def _metrics_are_known(cls, gate: Gate) -> Gate:
        mistakes = find_gate_mistakes(gate, get_args(TaskName), "gate")
        if mistakes:
            raise ValueError("; and ".join(mistakes))
        return gate
