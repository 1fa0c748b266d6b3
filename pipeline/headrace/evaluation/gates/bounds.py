"""The settings of a gate: bounds on metrics, on slices of the rows, and on the loss against the champion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from headrace.config import Section
from headrace.contracts import ModalityName, Spec, TaskName
from headrace.errors import choices

Side = Literal["min", "max"]


class Bound(Section):
    """The range a metric must lie in; at least one side."""

    min: float | None = None
    """Lowest value that passes, in the metric's unit; null for no lower bound."""
    max: float | None = None
    """Highest value that passes, in the metric's unit; null for no upper bound."""
    by: Literal["value", "interval"] = "value"
    """What must be within the bounds: the value, or its 95 % interval: the lower end for min, the upper end for max."""
    min_rows: Annotated[int, Field(ge=1)] = 1
    """With fewer validation rows the verdict is `too few rows`."""

    @model_validator(mode="after")
    def _has_a_side(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("must have min or max, such as {min: 0.9}")
        return self

    @property
    def limits(self) -> dict[Side, float]:
        """The sides that are set."""
        sides: dict[Side, float | None] = {"min": self.min, "max": self.max}
        return {side: limit for side, limit in sides.items() if limit is not None}


class SliceBound(Bound):
    """The range that a metric must lie in on every value of a column."""

    column: Annotated[str, Field(min_length=1)]
    """A column of the source by its name there, whether the model learns from it or not; `brightness` of images,
    `tokens` of texts; the target, or `class` or `label`. Numbers of more than 10 values are cut into thirds."""
    metric: str | None = None
    """Metric of `validate`; null: the task's quality (accuracy, micro_f1 or r2)."""
    by: Literal["value", "interval"] = "interval"
    """As for a metric of all rows, where the default is `value`."""
    min_rows: Annotated[int, Field(ge=1)] = 30
    """With fewer validation rows in a slice its verdict is `too few rows`."""


def _to_list(value: Any) -> Any:
    return [value] if isinstance(value, dict | SliceBound) else value


class Gate(Section):
    """Every rule that a model must pass: bounds by metric, and the keys below."""

    model_config = ConfigDict(extra="allow")
    other_keys: ClassVar[type[Section]] = Bound
    """The section of every other key, for errors."""
    __pydantic_extra__: dict[str, Bound] = Field(init=False)

    slices: Annotated[list[SliceBound], BeforeValidator(_to_list)] = []
    """Bounds on slices, such as `{column: sex, min: 0.8, min_rows: 30}`; one or a list."""
    not_worse_than_champion_by: Annotated[float | None, Field(ge=0, lt=1)] = None
    """How much worse than the registry's champion the model may be at most, at 95 % confidence, on the validation rows
    of both; in the unit of `register.margin`. null: no comparison."""
    too_few_rows: Literal["pass", "fail"] = "pass"
    """What the verdict `too few rows` means: pass with a warning, or fail."""

    @property
    def bounds(self) -> dict[str, Bound]:
        """Metric -> its bound on all validation rows."""
        return dict(self.__pydantic_extra__)

    @property
    def is_empty(self) -> bool:
        """Whether there is no rule."""
        return not self.bounds and not self.slices and self.not_worse_than_champion_by is None


class GateMetrics(NamedTuple):
    """The metrics of a task that a gate may name."""

    with_interval: tuple[str, ...]
    """Those that slices and `by: interval` may name too."""
    others: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.with_interval, *self.others)


VALIDATION_METRICS: dict[TaskName, GateMetrics] = {
    "classification": GateMetrics(
        ("accuracy", "macro_f1", "loss", "ece"),
        (
            *("num_rows", "accuracy_low", "accuracy_high", "ece_before", "temperature", "threshold", "coverage"),
            *("target_accuracy", "macro_f1_low", "macro_f1_high", "loss_low", "loss_high", "ece_low", "ece_high"),
            *("auroc", "auroc_low", "auroc_high"),
        ),
    ),
    "multilabel": GateMetrics(
        ("micro_f1", "macro_f1", "accuracy", "exact_match", "loss"),
        (
            *("num_rows", "accuracy_low", "accuracy_high", "mean_average_precision", "auroc", "ece_before", "ece"),
            *("temperature", "threshold", "micro_f1_low", "micro_f1_high", "macro_f1_low", "macro_f1_high"),
            *("exact_match_low", "exact_match_high", "mean_average_precision_low", "mean_average_precision_high"),
            *("auroc_low", "auroc_high", "loss_low", "loss_high", "ece_low", "ece_high"),
        ),
    ),
    "regression": GateMetrics(
        ("rmse", "mae", "r2", "loss"),
        (
            *("num_rows", "rmse_low", "rmse_high", "interval_90", "mae_low", "mae_high", "r2_low", "r2_high"),
            *("loss_low", "loss_high"),
        ),
    ),
}
"""Task -> the metrics of `validate`, so that a gate can be checked before there is a model."""
FRACTIONS = (
    *("accuracy", "macro_f1", "micro_f1", "exact_match", "mean_average_precision", "auroc", "ece", "ece_before"),
    *("coverage", "target_accuracy"),
)
"""Metrics from 0 to 1; r2 is at most 1."""
QUALITY = "accuracy, micro_f1 or r2"
"""What a slice is judged by unless it names a metric."""
BASELINE_METRICS = (
    *("baseline_prior", "baseline_linear", "baseline_boosting", "baseline_best"),
    *("over_baseline", "over_baseline_low", "over_baseline_high"),
    *("over_prior", "over_prior_low", "over_prior_high"),
)
"""Metrics of `validate` for every task, unless `validate.baselines.seconds` is 0."""
PER_TARGET_PREFIXES = ("rmse_", "mae_", "r2_", "interval_90_")
"""A regression of several targets also has these, followed by the name of each target."""
SLICE_COLUMNS: dict[ModalityName, tuple[str, ...]] = {"image": ("brightness",), "text": ("tokens",)}
"""Modality without columns of its own -> what its rows can be sliced by, in addition to class, label or target."""
TARGET_COLUMNS: dict[TaskName, str] = {"classification": "class", "multilabel": "label", "regression": "target"}
"""Task -> the column of a slice that stands for the target, whatever its name."""


def find_gate_mistakes(gate: Gate, tasks: Iterable[TaskName], key: str) -> list[str]:
    """Returns a clause, beginning with its key below `key`, for each metric that none of these tasks has."""
    tasks = list(tasks)
    metrics = [VALIDATION_METRICS[task] for task in tasks]
    names = {name for each in metrics for name in each.names} | set(BASELINE_METRICS)
    of_slices = {name for each in metrics for name in each.with_interval}
    of_all_rows = of_slices | {name for name in names if f"{name}_low" in names}
    prefixes = PER_TARGET_PREFIXES if "regression" in tasks else ()
    mistakes = []
    for place, name, bound in _named_metrics(gate):
        is_per_target = name.startswith(prefixes)
        with_interval = of_slices if isinstance(bound, SliceBound) else of_all_rows
        if name not in names and not is_per_target:
            mistakes.append(f"{key}.{place}: no such metric; {choices(name, names)}")
        elif _needs_interval(bound) and name not in with_interval and not _has_target_interval(name, tasks):
            mistakes.append(f"{key}.{place}: {name} has no interval; {choices(name, with_interval)}")
    return mistakes + [f"{key}.{clause}" for clause in _find_impossible_limits(gate)]


def find_slice_mistakes(gate: Gate, columns: Iterable[str], key: str) -> list[str]:
    """Returns a clause for each slice by a column that is not one of `columns`."""
    names = list(columns)
    return [
        f"{key}.slices.{index}.column: got {bound.column!r}; {choices(bound.column, names)}"
        for index, bound in enumerate(gate.slices)
        if bound.column not in names
    ]


def list_slice_columns(spec: Spec) -> list[str]:
    """Lists what rows can be sliced by, as far as it is known from their description."""
    targets = {spec.target, *spec.targets}
    names = [*(column.name for column in spec.columns), *SLICE_COLUMNS.get(spec.modality, ())]
    names += [name for name in spec.other_columns if name not in targets]
    if not spec.targets:
        names += [TARGET_COLUMNS[spec.task], *([spec.target] if spec.target else [])]
    return list(dict.fromkeys(names))


def _find_impossible_limits(gate: Gate) -> Iterator[str]:
    """A clause for each limit outside the range of its metric, such as 90 for 90 %."""
    rules = [(name, name, bound) for name, bound in gate.bounds.items()]
    rules += [(f"slices.{index}", each.metric or QUALITY, each) for index, each in enumerate(gate.slices)]
    for place, metric, bound in rules:
        name = metric.removesuffix("_low").removesuffix("_high")
        lowest = 0 if name in FRACTIONS else -inf
        highest = 1 if name in FRACTIONS or name in {"r2", QUALITY} or name.startswith("r2_") else inf
        for side, limit in bound.limits.items():
            if not lowest <= limit <= highest:
                allowed = "is from 0 to 1" if lowest == 0 else "is at most 1"
                yield f"{place}.{side}: got {limit:g}; {metric} {allowed}, such as 0.9"


def _needs_interval(bound: Bound) -> bool:
    return bound.by == "interval" or isinstance(bound, SliceBound)


def _has_target_interval(name: str, tasks: Iterable[TaskName]) -> bool:
    return "regression" in tasks and name.startswith(PER_TARGET_PREFIXES[:3]) and not name.endswith(("_low", "_high"))


def _named_metrics(gate: Gate) -> Iterator[tuple[str, str, Bound]]:
    """The key, metric and bound of each rule that names a metric."""
    for name, bound in gate.bounds.items():
        yield name, name, bound
    for index, part in enumerate(gate.slices):
        if part.metric is not None:
            yield f"slices.{index}.metric", part.metric, part
