"""Gates: bounds on metrics that a model must meet for the pipeline to continue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from pydantic import model_validator

from headrace.config import Section
from headrace.contracts import Metrics, TaskName
from headrace.errors import ConfigError, GateError, choices


class Bound(Section):
    """The range a metric must lie in; at least one side."""

    min: float | None = None
    """Lowest value that passes, in the metric's unit; null for no lower bound."""
    max: float | None = None
    """Highest value that passes, in the metric's unit; null for no upper bound."""

    @model_validator(mode="after")
    def _has_a_side(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("must have min or max, such as {min: 0.9}")
        return self

    def describe_breach(self, value: float) -> str:
        """Describes how `value` is out of bounds; empty if it is within. NaN is within no bounds."""
        if self.min is not None and not value >= self.min:
            return f"is below min {self.min:g}"
        if self.max is not None and not value <= self.max:
            return f"is above max {self.max:g}"
        return ""


VALIDATION_METRICS: dict[TaskName, tuple[str, ...]] = {
    "classification": (
        *("num_rows", "accuracy", "accuracy_low", "accuracy_high", "loss", "macro_f1"),
        *("ece_before", "ece", "temperature", "threshold", "coverage", "target_accuracy"),
        *("macro_f1_low", "macro_f1_high", "loss_low", "loss_high", "ece_low", "ece_high"),
        *("auroc", "auroc_low", "auroc_high"),
    ),
    "multilabel": (
        *("num_rows", "micro_f1", "macro_f1", "accuracy", "accuracy_low", "accuracy_high", "exact_match"),
        *("mean_average_precision", "auroc", "loss", "ece_before", "ece", "temperature", "threshold"),
        *("micro_f1_low", "micro_f1_high", "macro_f1_low", "macro_f1_high", "exact_match_low", "exact_match_high"),
        *("mean_average_precision_low", "mean_average_precision_high", "auroc_low", "auroc_high"),
        *("loss_low", "loss_high", "ece_low", "ece_high"),
    ),
    "regression": (
        *("num_rows", "rmse", "rmse_low", "rmse_high", "mae", "r2", "loss", "interval_90"),
        *("mae_low", "mae_high", "r2_low", "r2_high", "loss_low", "loss_high"),
    ),
}
"""Task -> the metrics of `validate`, so that a gate can be checked before there is a model."""
BASELINE_METRICS = (
    *("baseline_prior", "baseline_linear", "baseline_boosting", "baseline_best"),
    *("over_baseline", "over_baseline_low", "over_baseline_high"),
)
"""Metrics of `validate` for every task, unless `validate.baselines.seconds` is 0."""
PER_TARGET_PREFIXES = ("rmse_", "mae_", "r2_", "interval_90_")
"""A regression of several targets also has these, followed by the name of each target."""


def find_gate_mistakes(gate: Iterable[str], tasks: Iterable[TaskName], key: str) -> list[str]:
    """Returns a clause, beginning with its key below `key`, for each name that is no metric of any of these tasks."""
    tasks = list(tasks)
    allowed = {name for task in tasks for name in VALIDATION_METRICS[task]} | set(BASELINE_METRICS)
    prefixes = PER_TARGET_PREFIXES if "regression" in tasks else ()
    unknown = [name for name in gate if name not in allowed and not name.startswith(prefixes)]
    return [f"{key}.{name}: no such metric; {choices(name, allowed)}" for name in unknown]


def check_gate(gate: Mapping[str, Bound], metrics: Metrics, *, key: str) -> None:
    """Checks metrics against a gate; `key` is its key in `params.yaml`, such as `validate.gate`.

    Raises ConfigError for an unknown metric, and GateError if a metric is out of bounds. The GateError lists all
    metrics, since the stage does not write them then.
    """
    for name in gate:
        if name not in metrics:
            raise ConfigError(f"params.yaml: {key}.{name}: no such metric; {choices(name, metrics)}")
    breaches = {name: bound.describe_breach(metrics[name]) for name, bound in gate.items()}
    failed = [f"{name} {metrics[name]:.6g} {breach}" for name, breach in breaches.items() if breach]
    if failed:
        all_metrics = ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        raise GateError(
            f"params.yaml: {key}: not passed: {'; '.join(failed)}; improve the model (train.model, train.max_epochs) "
            f"or the data, or change the bound; all metrics: {all_metrics}"
        )
