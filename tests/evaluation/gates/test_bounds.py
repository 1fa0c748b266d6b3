"""The settings of a gate, and the names that it may use."""

from typing import Any

import pytest

from headrace.config import validate_section
from headrace.contracts import Column, Spec
from headrace.errors import ConfigError
from headrace.evaluation.gates.bounds import (
    Bound,
    Gate,
    SliceBound,
    find_gate_mistakes,
    find_slice_mistakes,
    list_slice_columns,
)


def test_bound_without_min_and_max_is_invalid() -> None:
    with pytest.raises(ConfigError, match="gate: must have min or max"):
        validate_section(Bound, {}, "gate")


@pytest.mark.parametrize("form", [dict, list], ids=["one mapping", "a list"])
def test_gate_is_bounds_by_metric_and_three_keys(form: type) -> None:
    part: dict[str, Any] = {"column": "sex", "min": 0.8, "min_rows": 20}
    values = {"accuracy": {"min": 0.9}, "slices": part if form is dict else [part], "not_worse_than_champion_by": 0.01}
    gate = validate_section(Gate, values, "gate")
    assert gate.bounds == {"accuracy": Bound(min=0.9)}
    assert gate.slices == [SliceBound(column="sex", min=0.8, min_rows=20)]
    assert (gate.bounds["accuracy"].by, gate.slices[0].by, gate.too_few_rows) == ("value", "interval", "pass")
    assert Gate.model_validate(gate.model_dump(exclude_defaults=True)) == gate, "as gates.json stores it"
    assert not gate.is_empty


def test_gate_without_rules_is_empty() -> None:
    assert Gate(too_few_rows="fail").is_empty
    assert not Gate(not_worse_than_champion_by=0.0).is_empty


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"acc": {"min": 1}}, "gate.acc: no such metric; choose one of ['accuracy', "),
        ({"coverage": {"min": 1, "by": "interval"}}, "gate.coverage: coverage has no interval; choose one of ['accu"),
        ({"slices": {"column": "sex", "min": 1, "metric": "threshold", "by": "value"}},
         "gate.slices.0.metric: threshold has no interval; choose one of ['accuracy', 'ece', 'loss', 'macro_f1']"),
        ({"slices": [{"column": "a", "min": 1}, {"column": "b", "min": 1, "metric": "rmse"}]},
         "gate.slices.1.metric: no such metric; choose one of ['accuracy', "),
    ],
)  # fmt: skip
def test_metric_that_a_gate_cannot_name_is_a_mistake(values: dict[str, Any], message: str) -> None:
    (mistake,) = find_gate_mistakes(validate_section(Gate, values, "gate"), ["classification"], "gate")
    assert mistake.startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"accuracy": {"min": 90}}, "gate.accuracy.min: got 90; accuracy is from 0 to 1, such as 0.9"),
        ({"ece_high": {"max": -0.1}}, "gate.ece_high.max: got -0.1; ece_high is from 0 to 1, such as 0.9"),
        ({"r2": {"min": 1.5}}, "gate.r2.min: got 1.5; r2 is at most 1, such as 0.9"),
        ({"slices": {"column": "sex", "min": 80}},
         "gate.slices.0.min: got 80; accuracy, micro_f1 or r2 is at most 1, such as 0.9"),
        ({"slices": {"column": "sex", "min": 80, "metric": "macro_f1"}},
         "gate.slices.0.min: got 80; macro_f1 is from 0 to 1, such as 0.9"),
    ],
)  # fmt: skip
def test_limit_that_no_value_can_meet_is_a_mistake(values: dict[str, Any], message: str) -> None:
    tasks = ["classification", "multilabel", "regression"]
    assert find_gate_mistakes(validate_section(Gate, values, "gate"), tasks, "gate") == [message]


def test_limits_of_unbounded_metrics_are_free() -> None:
    values = {
        "rmse": {"max": 300},
        "interval_90": {"max": 300},
        "loss": {"max": 5},
        "r2": {"min": -2},
        "accuracy": {"min": 0, "max": 1},
    }
    assert find_gate_mistakes(validate_section(Gate, values, "gate"), ["regression", "classification"], "gate") == []


def test_metrics_of_single_targets_have_intervals_and_their_half_widths_none() -> None:
    gate = validate_section(
        Gate, {name: {"max": 1, "by": "interval"} for name in ("rmse_price", "interval_90_price", "rmse_low")}, "gate"
    )
    mistakes = find_gate_mistakes(gate, ["regression"], "gate")
    assert [mistake.partition(":")[0] for mistake in mistakes] == ["gate.interval_90_price", "gate.rmse_low"]


def test_slice_columns_are_those_of_the_source_and_the_target() -> None:
    columns = [Column(name="sex", kind="categorical"), Column(name="label", kind="numeric")]
    table = Spec(
        modality="table", task="classification", source="x", format="table", num_rows=1, target="fate", columns=columns,
        other_columns=["fate", "ward"],
    )  # fmt: skip
    assert list_slice_columns(table) == ["sex", "label", "ward", "class", "fate"]
    images = Spec(modality="image", task="classification", source="x", format="folder", num_rows=1)
    assert list_slice_columns(images) == ["brightness", "class"]
    gate = Gate(slices=[SliceBound(column="sex", min=0.5), SliceBound(column="brightnes", min=0.5)])
    assert [mistake.partition(";")[0] for mistake in find_slice_mistakes(gate, list_slice_columns(images), "gate")] == [
        "gate.slices.0.column: got 'sex'",
        "gate.slices.1.column: got 'brightnes'",
    ]
