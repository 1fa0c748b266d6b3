import math

import pytest

from headrace.config import validate_section
from headrace.errors import ConfigError, GateError
from headrace.evaluation.gates import Bound, check_gate

METRICS = {"accuracy": 0.91, "ece": 0.04, "num_rows": 200}


@pytest.mark.parametrize(
    "bound", [Bound(min=0.91), Bound(max=0.91), Bound(min=0.5, max=0.95)], ids=["at min", "at max", "between"]
)
def test_check_gate_passes_within_bounds(bound: Bound) -> None:
    check_gate({"accuracy": bound}, METRICS, key="validate.gate")


def test_check_gate_out_of_bounds_names_metric_value_bound_remedy_and_all_metrics() -> None:
    gate = {"accuracy": Bound(min=0.95), "ece": Bound(max=0.01), "num_rows": Bound(min=1)}
    with pytest.raises(GateError) as caught:
        check_gate(gate, METRICS, key="validate.gate")
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert "accuracy 0.91 is below min 0.95; ece 0.04 is above max 0.01;" in message
    assert message.startswith("params.yaml: validate.gate: not passed")
    assert "change the bound; all metrics: accuracy 0.91, ece 0.04, num_rows 200" in message
    assert "\n" not in message


@pytest.mark.parametrize("bound", [Bound(min=0.0), Bound(max=1.0)])
def test_check_gate_rejects_nan(bound: Bound) -> None:
    with pytest.raises(GateError, match="nan"):
        check_gate({"accuracy": bound}, {"accuracy": math.nan}, key="validate.gate")


def test_check_gate_suggests_a_similar_metric() -> None:
    with pytest.raises(ConfigError, match=r"validate\.gate\.accurac: no such metric.*did you mean 'accuracy'"):
        check_gate({"accurac": Bound(min=0.9)}, METRICS, key="validate.gate")


def test_bound_without_min_and_max_is_invalid() -> None:
    with pytest.raises(ConfigError, match="gate: must have min or max"):
        validate_section(Bound, {}, "gate")
