from typing import Any

import numpy as np
import pytest

from headrace.contracts import Column, Spec
from headrace.data.cleaning.contract.rules import compare_columns, compile_rules, list_rules, raise_or_remark
from headrace.data.cleaning.contract.settings import Contract
from headrace.data.cleaning.scan import enabled_options
from headrace.errors import ConfigError, DataError

COLUMNS = [
    Column(name="age", kind="numeric"),
    Column(name="label", kind="categorical"),
    Column(name="seen", kind="date"),
]


def spec_of(modality: Any = "table", task: Any = "classification", **values: Any) -> Spec:
    columns = COLUMNS if modality == "table" else []
    return Spec(modality=modality, task=task, source="a", format="table", num_rows=9, columns=columns, **values)


def contract_of(**values: Any) -> Contract:
    return Contract.model_validate(values)


def test_rules_are_sorted_by_action_and_name_raw_columns() -> None:
    contract = contract_of(
        columns={
            "age": {"range": {"min": 0, "action": "repair"}, "unique": {"action": "drop"}},
            "label": {"values": {"allowed": ["a", 2]}, "required": {"action": "stop"}},
            "seen": {"range": {"max": "1970-01-02", "action": "drop"}},
        },
        target={"values": {"allowed": ["x"]}},
    )
    rules = compile_rules(contract, spec_of())
    assert {name: rule.severity for name, rule in rules.items()} == {
        "contract_drop": "drop", "contract_repair": "repair", "contract_warn": "warn", "contract_stop": "error",
    }  # fmt: skip
    options = enabled_options(rules)
    cells = [(check, rule["column"], rule["test"]) for check, rule in list_rules(options, "cell")]
    assert cells == [
        ("contract_drop", "seen", "range"), ("contract_repair", "age", "range"),
        ("contract_warn", "label", "values"), ("contract_stop", "label", "required"),
    ]  # fmt: skip
    (_, seen), (_, age), (_, label), _ = list_rules(options, "cell")
    assert (seen["low"], seen["high"]) == (-np.inf, 86_400e6)
    assert (age["low"], age["high"], age["key"]) == (0, np.inf, "columns.age.range")
    assert label["allowed"] == ["a", "2"]
    assert [check for check, _ in list_rules(options, "repeat")] == ["contract_drop"]
    assert [check for check, _ in list_rules(options, "target")] == ["contract_warn"]


@pytest.mark.parametrize(
    ("spec", "contract", "message"),
    [
        (spec_of(), {"columns": {"label": {"range": {"min": 1}}}}, r"columns\.label\.range: .* no order; use values"),
        (spec_of(), {"columns": {"seen": {"values": {"allowed": ["x"]}}}}, r"columns\.seen\.values: .*; use range"),
        (spec_of(), {"columns": {"seen": {"range": {"min": 3}}}}, r"range\.min: got 3.*; must be a date such as"),
        (spec_of(), {"columns": {"seen": {"range": {"min": "today!"}}}}, r"must be a date such as"),
        (spec_of(), {"columns": {"age": {"range": {"min": "x"}}}}, r"range\.min: got 'x'; must be a number"),
        (spec_of(), {"columns": {"age": {"values": {"allowed": ["x"]}}}}, r"allowed: got 'x'; must be a number"),
        (spec_of(), {"target": {"range": {"min": 1}}}, r"target\.range: is for a single number"),
        (spec_of(task="regression"), {"target": {"values": {"allowed": [1]}}}, r"target\.values: .* use range"),
        (
            spec_of(task="multilabel"),
            {"target": {"shares": {"expected": {}}}},
            r"target\.shares: is for classification",
        ),
        (spec_of("image"), {"columns": {"age": {"range": {"min": 1}}}}, r"columns\.age: no such measure of image data"),
        (spec_of("text"), {"columns": {"words": {"unique": {}}}}, r"columns\.words: of text data there is only range"),
        (spec_of("text"), {"columns": {"words": {"range": {"min": 1, "action": "repair"}}}}, r"without repair"),
    ],
)
def test_rules_that_do_not_fit_are_refused(spec: Spec, contract: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        compile_rules(contract_of(**contract), spec)
    assert str(caught.value).startswith("contract.yaml: ")


def test_columns_are_compared_by_their_names_in_the_source() -> None:
    contract = contract_of(
        unknown_columns="warn", missing_columns="warn",
        columns={"age": {"kind": {"expected": "categorical", "action": "warn"}}, "label": {}, "gone": {}},
    )  # fmt: skip
    remarks = compare_columns(contract, spec_of())
    assert {check for check, _ in remarks} == {"contract_warn"}
    assert [text.partition(" is ")[0] for _, text in remarks] == ["column 'gone'", "column 'seen'", "column 'age'"]
    assert compare_columns(contract_of(), spec_of()) == [], "a contract without columns is about the target"
    stopping = contract.model_copy(update={"missing_columns": "stop"})
    with pytest.raises(DataError, match=r"data/raw: column 'gone' is no input any more; .*\(contract.yaml: stop\)"):
        compare_columns(stopping, spec_of())


def test_all_stops_are_named_at_once() -> None:
    with pytest.raises(DataError, match="data/x: one; two ") as caught:
        raise_or_remark([("stop", "one"), ("warn", "three"), ("stop", "two")], "data/x")
    assert "three" not in str(caught.value)
