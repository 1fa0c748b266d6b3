"""Verdicts of a gate: passed, failed, too few rows; all rules at once."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.config import validate_section
from headrace.errors import ConfigError, DataError, GateError
from headrace.evaluation.evaluators import find_evaluator
from headrace.evaluation.gates.bounds import Bound, Gate
from headrace.evaluation.gates.verdicts import (
    GATE_VERDICT,
    Champion,
    GateReport,
    check_gate,
    read_champion,
    read_report,
    write_champion,
    write_report,
)
from headrace.evaluation.metrics.classification import wilson_interval
from headrace.evaluation.predictions import Predictions
from headrace.storage.arrays import Arrays

NO_CHAMPION = Champion(None, "the registry has no champion of x", is_absent=True)
SLICES = {"column": "class", "min": 0.8}


@pytest.fixture
def predictions(make_predictions: Any) -> Predictions:
    """100 rows of `a`, 90 of which are right; 40 of `b`, 30 of which are; 5 of `c`, all of which are."""
    actual = np.r_[np.zeros(100, int), np.ones(40, int), np.full(5, 2)]
    answers = actual.copy()
    answers[:10], answers[100:110] = 1, 0
    made = make_predictions(np.eye(3)[answers] * 4, actual, task="classification", classes=["a", "b", "c"])
    row_ids = np.array([f"{index:032x}" for index in range(145)], "S32")
    return Predictions(
        Arrays(made.arrays.inputs, actual, row_ids), made.logits, made.predict, made.spec, {"inputs": []}
    )


def check(predictions: Predictions, champion: Champion = NO_CHAMPION, **values: Any) -> GateReport:
    metrics = find_evaluator(predictions.spec).validate(predictions, 0.99).metrics
    gate = validate_section(Gate, values, "gate")
    return check_gate(gate, predictions, metrics, cutoff=0.0, champion=champion)


@pytest.mark.parametrize("bound", [{"min": 125 / 145}, {"max": 125 / 145}, {"min": 0.5, "max": 0.95}])
def test_value_at_a_bound_or_between_two_passes(predictions: Predictions, bound: dict[str, float]) -> None:
    report = check(predictions, accuracy=bound)
    assert report.passed
    assert {rule.verdict for rule in report.rules} == {"passed"}
    assert [rule.rule for rule in report.rules] == [f"validate.gate.accuracy.{side}" for side in bound]


def test_end_of_the_interval_decides_where_it_is_asked_for(predictions: Predictions) -> None:
    low, high = wilson_interval(125, 145)
    for limit, by, verdict in ((low, "interval", "passed"), (0.85, "interval", "failed"), (0.85, "value", "passed")):
        (rule,) = check(predictions, accuracy={"min": limit, "by": by}).rules
        assert (rule.verdict, rule.value, rule.low, rule.high, rule.rows) == (verdict, 125 / 145, low, high, 145)
    (rule,) = check(predictions, accuracy={"max": 0.9, "by": "interval"}).rules
    assert rule.verdict == "failed", "its upper end is above"
    (rule,) = check(predictions, loss={"max": 100, "by": "interval"}).rules
    assert rule.value < rule.high < 100


def test_every_slice_has_a_verdict(predictions: Predictions) -> None:
    report = check(predictions, slices=SLICES)
    assert [(rule.slice["value"], rule.rows, rule.verdict) for rule in report.rules] == [
        ("a", 100, "passed"),
        ("b", 40, "failed"),
        ("c", 5, "too few rows"),
    ]
    assert [(rule.low, rule.high) for rule in report.rules[:2]] == [wilson_interval(90, 100), wilson_interval(30, 40)]
    assert (report.passed, report.verdict) == (False, "failed")
    assert report.describe_failures() == (
        "accuracy of class=b 0.75 (0.5981 to 0.8581, 40 rows) has its lower end below min 0.8"
    )


def test_setting_decides_what_too_few_rows_mean(predictions: Predictions) -> None:
    loose = {**SLICES, "min": 0.5}
    report = check(predictions, slices=loose)
    assert (report.passed, report.verdict) == (True, "too few rows")
    assert [rule.describe() for rule in report.undecided] == [
        "accuracy of class=c: too few rows to say: 5 rows, min_rows 30"
    ]
    strict = check(predictions, slices=loose, too_few_rows="fail")
    assert (strict.passed, strict.verdict) == (False, "failed")
    assert check(predictions, slices={**SLICES, "min_rows": 5}).rules[2].verdict == "failed", "5 of 5 may be 0.57"


def test_failures_are_one_line_with_all_metrics(predictions: Predictions) -> None:
    report = check(predictions, accuracy={"min": 0.95}, ece={"max": 0.0}, slices=SLICES, num_rows={"min": 1})
    with pytest.raises(GateError) as caught:
        report.raise_if_failed({"accuracy": 0.9, "num_rows": 145})
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert message.startswith("params.yaml: validate.gate: not passed: accuracy 0.862069 is below min 0.95; ece 0.")
    assert " is above max 0; accuracy of class=b 0.75 (" in message
    assert "or change the bound; all metrics: accuracy 0.9, num_rows 145" in message
    assert "\n" not in message


@pytest.mark.parametrize("bound", [Bound(min=0.0), Bound(max=1.0)])
def test_nan_is_within_no_bounds(predictions: Predictions, bound: Bound) -> None:
    metrics = {"accuracy": 0.9, "num_rows": math.nan, "temperature": 1.0}
    (rule,) = check_gate(Gate(num_rows=bound), predictions, metrics, cutoff=0.0, champion=NO_CHAMPION).rules
    assert (rule.verdict, rule.value) == ("failed", None)
    assert "num_rows undefined is" in rule.describe()


def test_metric_that_the_data_do_not_have_is_one_line(predictions: Predictions) -> None:
    with pytest.raises(ConfigError, match=r"validate\.gate\.accurac: no such metric.*did you mean 'accuracy'"):
        check(predictions, accurac={"min": 0.9})
    with pytest.raises(
        ConfigError, match=r"validate\.gate\.slices: metric 'rmse': not one of slices; choose one of \['ac"
    ):
        check(predictions, slices={**SLICES, "metric": "rmse"})


def champion_of(predictions: Predictions, num_wrong: int, num_rows: int = 145) -> Champion:
    """A champion that is wrong on the last rows."""
    correct = np.arange(145) < 145 - num_wrong
    table = pa.table({"row_id": predictions.arrays.row_ids.astype(str), "correct": correct})
    return Champion(table.slice(0, num_rows))


def test_champion_is_compared_on_the_same_rows(predictions: Predictions) -> None:
    margin = {"not_worse_than_champion_by": 0.05}
    (worse,) = check(predictions, champion_of(predictions, 0), **margin).rules
    assert (worse.verdict, worse.value, worse.rows) == ("failed", pytest.approx(20 / 145), 145)
    assert worse.high > worse.value
    (better,) = check(predictions, champion_of(predictions, 60), **margin).rules
    assert better.verdict == "passed"
    assert better.rule == "validate.gate.not_worse_than_champion_by"
    assert "accuracy lost against the champion" in worse.describe()


@pytest.mark.parametrize(
    ("champion", "verdict", "reason"),
    [
        (NO_CHAMPION, "passed", "no champion"),
        (Champion(None, "the champion, x version 1, has no stored answers"), "too few rows", "no stored answers"),
        (Champion(pa.table({"row_id": ["x"], "error": [0.5]})), "too few rows", "another task"),
        (Champion(pa.table({"row_id": ["x"], "correct": [True]})), "too few rows", "answered 0 of these rows, 30 are"),
    ],
    ids=["none", "without answers", "another task", "other rows"],
)
def test_champion_that_cannot_be_compared(
    predictions: Predictions, champion: Champion, verdict: str, reason: str
) -> None:
    (rule,) = check(predictions, champion, not_worse_than_champion_by=0.01).rules
    assert (rule.verdict, rule.value) == (verdict, None)
    assert reason in rule.reason
    assert reason in rule.describe()


def test_report_and_champion_come_back_from_their_files(predictions: Predictions, tmp_path: Path) -> None:
    values = {"accuracy": {"min": 0.5}, "slices": SLICES, "not_worse_than_champion_by": 0.9}
    for champion in (champion_of(predictions, 3), NO_CHAMPION):
        report = check(predictions, champion, **values)
        folder = tmp_path / str(champion.is_absent)
        folder.mkdir()
        write_report(folder, report)
        write_champion(folder, champion)
        assert read_report(folder) == report
        assert check(predictions, read_champion(folder, read_report(folder)), **values) == report
    content = json.loads((folder / "gates.json").read_text())
    assert content["passed"] is False
    assert content["rules"][0] == {
        "rule": "validate.gate.accuracy.min", "metric": "accuracy", "slice": None, "limit": 0.5,
        "value": 125 / 145, "low": pytest.approx(0.7966, abs=1e-4), "high": pytest.approx(0.9089, abs=1e-4),
        "rows": 145, "verdict": "passed", "by": "value", "reason": "",
    }  # fmt: skip


def test_missing_or_damaged_report_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gates\.json: no such file; run the stages before"):
        read_report(tmp_path)
    for content in ("{", "{}", '{"gate": {}, "rules": [{"a": 1}]}'):
        (tmp_path / "gates.json").write_text(content)
        with pytest.raises(DataError, match=r"gates\.json: not a report of a gate \("):
            read_report(tmp_path)


def test_tags_have_the_verdict_of_each_rule(predictions: Predictions) -> None:
    tags = check(predictions, accuracy={"min": 0.5}, slices=SLICES).to_tags()
    assert tags[GATE_VERDICT] == "failed"
    assert tags["gate.accuracy.min"] == "passed: accuracy 0.862069 meets min 0.5"
    assert tags["gate.slices.class.min b"].startswith("failed: accuracy of class=b 0.75 (")
    assert check(predictions).to_tags() == {GATE_VERDICT: "no rules"}
