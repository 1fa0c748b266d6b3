"""Checks every rule of a gate on validation rows; the results are `gates.json`, one line of errors, and one of tags."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.contracts import Json, Metrics
from headrace.errors import ConfigError, DataError, GateError, choices
from headrace.evaluation.comparison import compare_outcomes, read_outcomes
from headrace.evaluation.evaluators import find_evaluator, make_outcomes
from headrace.evaluation.gates.bounds import Bound, Gate, Side
from headrace.evaluation.gates.column_slices import slice_by_column
from headrace.evaluation.gates.metric_intervals import Interval, Measure, Rows, find_measures
from headrace.evaluation.predictions import Predictions
from headrace.storage.atomic import write_json

GATES, CHAMPION_OUTCOMES = "gates.json", "champion.parquet"
KEY = "validate.gate"
GATE_VERDICT = "gate.verdict"
"""Tag of a version."""
CHAMPION_RULE = f"{KEY}.not_worse_than_champion_by"
MIN_CHAMPION_ROWS = 30
"""Common rows that a comparison with the champion needs."""
Verdict = Literal["passed", "failed", "too few rows"]
PASSED: Final = "passed"
FAILED: Final = "failed"
TOO_FEW: Final = "too few rows"


@dataclass(frozen=True)
class Rule:
    """One rule, as in `gates.json`."""

    rule: str
    """Its key in `params.yaml`."""
    metric: str
    slice: dict[str, str] | None
    """Its `column` and `value`; None for all validation rows."""
    limit: float
    value: float | None
    """None if it is undefined, as without a champion."""
    low: float | None
    high: float | None
    """The 95 % interval, if the metric has one. For the champion, `high` is the one-sided bound of the loss."""
    rows: int
    verdict: Verdict
    by: Literal["value", "interval"]
    reason: str = ""
    """What the other fields do not say."""

    @property
    def subject(self) -> str:
        """The metric, and the slice if there is one."""
        return self.metric + (f" of {self.slice['column']}={self.slice['value']}" if self.slice else "")

    def describe(self) -> str:
        """Describes value and verdict in one clause."""
        value = "undefined" if self.value is None else f"{self.value:.6g}"
        if self.by == "interval" and self.low is not None and self.high is not None:
            value += f" ({self.low:.4g} to {self.high:.4g}, {self.rows:,} rows)"
        elif self.by == "interval" and self.high is not None:
            value += f" (at most {self.high:.4g}, {self.rows:,} rows)"
        if self.verdict == TOO_FEW:
            return f"{self.subject}: too few rows to say: {self.reason}"
        if self.reason:
            return f"{self.subject}: {self.reason}"
        return f"{self.subject} {value} {self._compare()}"

    def _compare(self) -> str:
        side = self.rule.rpartition(".")[2]
        if side not in {"min", "max"}:
            return f"{'is within' if self.verdict == PASSED else 'is above'} {self.limit:g}"
        verb = {"min": "has its lower end", "max": "has its upper end"}[side] if self.by == "interval" else "is"
        if self.verdict == PASSED:
            return f"meets {side} {self.limit:g}"
        return f"{verb} {'below' if side == 'min' else 'above'} {side} {self.limit:g}"


@dataclass(frozen=True)
class GateReport:
    """The verdict on every rule of a gate."""

    gate: Gate
    rules: list[Rule]

    @property
    def passed(self) -> bool:
        """Whether the model passes."""
        return not self.failures

    @property
    def failures(self) -> list[Rule]:
        """The rules that it fails."""
        fails = {FAILED, TOO_FEW} if self.gate.too_few_rows == "fail" else {FAILED}
        return [rule for rule in self.rules if rule.verdict in fails]

    @property
    def undecided(self) -> list[Rule]:
        """The rules with too few rows to say."""
        return [rule for rule in self.rules if rule.verdict == TOO_FEW]

    def to_json(self) -> Json:
        """The content of `gates.json`: also the settings, by which `quantize` checks other graphs."""
        return {
            "passed": self.passed,
            "rules": [asdict(rule) for rule in self.rules],
            "gate": self.gate.model_dump(exclude_defaults=True),
        }

    @property
    def verdict(self) -> Verdict:
        """One for all rules: `too few rows` if none failed, but some have too few."""
        return FAILED if not self.passed else TOO_FEW if self.undecided else PASSED

    def to_tags(self) -> dict[str, str]:
        """The verdicts as tags of a version: `gate.verdict`, and one by rule and slice."""
        by_rule = {
            f"gate{rule.rule.removeprefix(KEY)}" + (f" {rule.slice['value']}" if rule.slice else ""): (
                f"{rule.verdict}: {rule.describe()}"
            )
            for rule in self.rules
        }
        return {GATE_VERDICT: self.verdict if self.rules else "no rules", **by_rule}

    def describe_failures(self) -> str:
        """Describes the rules that it fails, in one line."""
        return "; ".join(rule.describe() for rule in self.failures)

    def raise_if_failed(self, metrics: Metrics) -> None:
        """Raises GateError that lists all metrics, since the stage does not write them then."""
        if self.passed:
            return
        all_metrics = ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        raise GateError(
            f"params.yaml: {KEY}: not passed: {self.describe_failures()}; improve the model (train.model, "
            f"train.max_epochs) or the data, or change the bound; all metrics: {all_metrics}"
        )


class Champion(NamedTuple):
    """What is known about the champion's answers to validation rows."""

    outcomes: pa.Table | None
    """Its `row_id` and outcome; see `evaluators.make_outcomes`. None: see `reason`."""
    reason: str = ""
    is_absent: bool = False
    """Whether there is none, so that there is nothing to be worse than."""


def check_gate(
    gate: Gate, predictions: Predictions, metrics: Metrics, *, cutoff: float, champion: Champion
) -> GateReport:
    """Checks all rules; `metrics` are those of `validate` for the same predictions.

    Raises ConfigError for a metric or a column that these data do not have.
    """
    for name in gate.bounds:
        if name not in metrics:
            raise ConfigError(f"params.yaml: {KEY}.{name}: no such metric; {choices(name, metrics)}")
    rules = [rule for name, bound in gate.bounds.items() for rule in _check_all_rows(name, bound, predictions, metrics)]
    rules += _check_slices(gate, predictions, metrics)
    if gate.not_worse_than_champion_by is not None:
        rules.append(_check_champion(gate.not_worse_than_champion_by, predictions, cutoff, champion))
    return GateReport(gate, rules)


def read_report(folder: Path) -> GateReport:
    """Reads what `write_report` wrote; raises DataError if it is missing or damaged."""
    path = folder / GATES
    try:
        content = json.loads(path.read_bytes())
        return GateReport(Gate.model_validate(content["gate"]), [Rule(**rule) for rule in content["rules"]])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a report of a gate ({reason}); run: dvc repro --force validate") from None


def write_report(folder: Path, report: GateReport) -> None:
    """Writes `gates.json`."""
    write_json(folder / GATES, report.to_json())


def write_champion(folder: Path, champion: Champion) -> None:
    """Writes the champion's outcomes beside the report, if there are any: for the graphs that `quantize` makes."""
    if champion.outcomes is not None:
        pq.write_table(champion.outcomes, folder / CHAMPION_OUTCOMES)


def read_champion(folder: Path, report: GateReport) -> Champion:
    """Returns the champion that a report was made with."""
    if (folder / CHAMPION_OUTCOMES).is_file():
        return Champion(read_outcomes(folder / CHAMPION_OUTCOMES))
    rule = next((rule for rule in report.rules if rule.rule == CHAMPION_RULE), None)
    return Champion(None, rule.reason, is_absent=rule.verdict == PASSED) if rule else Champion(None)


def _check_all_rows(name: str, bound: Bound, predictions: Predictions, metrics: Metrics) -> Iterator[Rule]:
    rows, ends = np.arange(len(predictions.arrays)), [metrics.get(f"{name}_{end}") for end in ("low", "high")]
    interval = None if None in ends else Interval(*(float(end) for end in ends if end is not None))
    if interval is None and (measure := find_measures(predictions, metrics).get(name)):
        interval = measure.interval(rows)
    yield from _check_bound(f"{KEY}.{name}", name, bound, float(metrics[name]), interval, len(rows))


def _check_slices(gate: Gate, predictions: Predictions, metrics: Metrics) -> Iterator[Rule]:
    measures: Mapping[str, Measure] = find_measures(predictions, metrics) if gate.slices else {}
    for bound in gate.slices:
        name = bound.metric or find_evaluator(predictions.spec).quality
        if name not in measures:
            raise ConfigError(
                f"params.yaml: {KEY}.slices: metric {name!r}: not one of slices; {choices(name, measures)}"
            )
        for value, flags in slice_by_column(predictions, bound.column).items():
            rows: Rows = np.flatnonzero(flags)
            key, part = f"{KEY}.slices.{bound.column}", {"column": bound.column, "value": value}
            measured = measures[name].value(rows), measures[name].interval(rows)
            yield from _check_bound(key, name, bound, *measured, len(rows), part)


def _check_bound(  # noqa: PLR0913, PLR0917 the fields of a rule
    key: str, metric: str, bound: Bound, value: float, interval: Interval | None, num_rows: int,
    part: dict[str, str] | None = None,
) -> Iterator[Rule]:  # fmt: skip
    """A rule for each side of a bound."""
    low, high = interval or (None, None)
    reason = f"{num_rows:,} rows, min_rows {bound.min_rows:,}" if num_rows < bound.min_rows else ""
    for side, limit in bound.limits.items():
        decisive = value if bound.by == "value" or interval is None else interval[side == "max"]
        verdict: Verdict = TOO_FEW if reason else PASSED if _is_within(decisive, side, limit) else FAILED
        yield Rule(
            f"{key}.{side}", metric, part, limit, _to_json(value), _to_json(low), _to_json(high), num_rows,
            verdict, bound.by, reason,
        )  # fmt: skip


def _is_within(value: float, side: Side, limit: float) -> bool:
    """NaN is within no bounds."""
    return value >= limit if side == "min" else value <= limit


def _to_json(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else float(value)


def _check_champion(margin: float, predictions: Predictions, cutoff: float, champion: Champion) -> Rule:
    outcomes, comparison = make_outcomes(predictions, cutoff), None
    num_common, reason = 0, champion.reason
    if champion.outcomes is not None:
        comparison = compare_outcomes(champion.outcomes, outcomes)
        num_common = comparison.num_rows if comparison else 0
        if comparison is None:
            reason = "the champion has another task"
        elif num_common < MIN_CHAMPION_ROWS:
            reason = f"the champion has answered {num_common:,} of these rows, {MIN_CHAMPION_ROWS} are needed"
            comparison = None
    verdict: Verdict = PASSED if champion.is_absent else TOO_FEW
    if comparison:
        verdict = PASSED if comparison.is_not_worse(margin) else FAILED
    return Rule(
        CHAMPION_RULE, CHAMPION_METRICS[outcomes.column_names[1]], None, margin,
        _to_json(comparison.difference) if comparison else None, None,
        _to_json(comparison.upper_bound) if comparison else None,
        num_common, verdict, "interval", reason,
    )  # fmt: skip


CHAMPION_METRICS: dict[str, str] = {
    "correct": "accuracy lost against the champion",
    "wrong_share": "label accuracy lost against the champion",
    "error": "relative mean absolute error added to the champion's",
}
"""Column of the outcomes -> what is compared; see `comparison.Comparison.difference`."""
