"""The table of checks, and the validation of `clean.checks`."""

from typing import get_args

import pytest

from headrace.contracts import ColumnFinding, ModalityName
from headrace.data.cleaning.checks import (
    CHECKS,
    CONTRACT_CHECKS,
    OPTION_BOUNDS,
    OPTION_TYPES,
    Severity,
    allowed_severities,
    describe_setting,
    find_severity_mistakes,
    list_skipped_checks,
    resolve_rules,
    settle_duplicates,
    validate_checks,
)


@pytest.mark.parametrize("modality", get_args(ModalityName))
def test_rules_without_settings_are_the_defaults(modality):
    rules = resolve_rules({}, modality, column_kinds=["text"])
    assert set(rules) == {name for name, check in CHECKS.items() if modality in check.modalities}
    for name, rule in rules.items():
        assert rule.severity == CHECKS[name].severity_by_modality.get(modality, CHECKS[name].severity)
        assert rule.severity in get_args(Severity)
        assert rule.options == CHECKS[name].options


def test_setting_is_a_severity_or_severity_and_options():
    settings = {"duplicate": "warn", "rare_class": {"severity": "drop", "min_rows": 9}, "imbalance": {"max_ratio": 2}}
    rules = resolve_rules(settings, "image")
    assert rules["duplicate"] == ("warn", {})
    assert rules["rare_class"] == ("drop", {"min_rows": 9})
    assert rules["imbalance"] == ("warn", {"max_ratio": 2})
    assert settings["rare_class"] == {"severity": "drop", "min_rows": 9}, "the settings are not changed"
    assert CHECKS["rare_class"].options == {"min_rows": 3}


def test_rules_exclude_checks_of_other_modalities():
    assert "markup" not in resolve_rules({"markup": "drop"}, "image")


def test_conflicting_labels_are_a_warning_for_tables():
    assert resolve_rules({}, "table")["conflicting_labels"].severity == "warn"
    assert resolve_rules({"conflicting_labels": "drop"}, "table")["conflicting_labels"].severity == "drop"


def test_every_check_describes_its_options():
    for name, check in CHECKS.items():
        assert check.description, name
        assert all(option in check.options for option in check.description.split("`")[1::2]), name


def test_checks_that_make_no_sense_for_a_task_are_skipped_with_a_remark():
    skipped = set(resolve_rules({}, "table")) - set(resolve_rules({}, "table", "multilabel"))
    assert skipped == {"label_error", "leakage"} == {name for name, _ in list_skipped_checks("table", "multilabel")}
    assert list_skipped_checks("text", "multilabel") == [("label_error", "skipped: it makes no sense for multilabel")]
    assert list_skipped_checks("table", "classification") == []


def test_every_default_is_allowed():
    assert (
        validate_checks({name: {"severity": check.severity, **check.options} for name, check in CHECKS.items()}) == []
    )


def test_every_option_has_bounds():
    names = {option for check in CHECKS.values() for option in check.options}
    assert names == OPTION_BOUNDS.keys() | OPTION_TYPES.keys()


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"blured": "drop"}, "blured: unknown check; choose one of"),
        ({"blurred": "dorp"}, "blurred.severity: got 'dorp'; choose one of ['drop', 'error', 'off', 'warn'] (did you"),
        ({"blurred": "repair"}, "blurred.severity: got 'repair'; choose one of ['drop', 'error', 'off', 'warn']"),
        ({"imbalance": "drop"}, "imbalance.severity: got 'drop'; choose one of ['error', 'off', 'warn']"),
        ({"missing_label": "warn"}, "missing_label.severity: got 'warn'; choose one of ['drop', 'error']"),
        ({"blurred": {"severity": 3}}, "blurred.severity: got 3; choose one of"),
        ({"blurred": {"severity": None}}, "blurred.severity: got None; choose one of"),
        ({"blurred": {"above": 3}}, "blurred.above: unknown option; choose one of ['below', 'severity']"),
        ({"blurred": {"below": "3"}}, "blurred.below: got '3'; must be a number from 0 to 256"),
        ({"blurred": {"below": True}}, "blurred.below: got True; must be a number from 0 to 256"),
        ({"blurred": {"below": None}}, "blurred.below: got None; must be a number"),
        ({"rare_class": {"min_rows": 0}}, "rare_class.min_rows: got 0; must be an integer of at least 1"),
        ({"rare_class": {"min_rows": 2.5}}, "rare_class.min_rows: got 2.5; must be an integer of at least 1"),
        ({"label_error": {"folds": 1}}, "label_error.folds: got 1; must be an integer of at least 2"),
        ({"imbalance": {"max_ratio": float("nan")}}, "imbalance.max_ratio: got nan; must be a number of at least 1"),
        ({"length_outlier": {"z": float("inf")}}, "length_outlier.z: got inf; must be a number of at least 0"),
        ({"near_duplicate": {"similarity": 80}}, "near_duplicate.similarity: got 80; must be a number from 0 to 1"),
        ({"unknown_label": {"known": "cat"}}, "unknown_label.known: got 'cat'; must be a list"),
        ({"out_of_range": {"ranges": [1, 2]}}, "out_of_range.ranges: got [1, 2]; must be columns and their [low"),
    ],
)
def test_mistake_names_what_is_allowed(settings, mistake):
    (message,) = validate_checks(settings)
    assert message.startswith(mistake)


def test_all_mistakes_are_reported_at_once():
    assert len(validate_checks({"blured": "drop", "rare_class": {"min_rows": 0, "most": 1}, "dark": "dorp"})) == 4


def test_options_whose_default_is_null_may_be_null():
    assert validate_checks({"near_duplicate": {"similarity": None}, "unknown_label": {"known": None}}) == []
    assert validate_checks({"unknown_label": {"known": ["cat", 3]}}) == []


def test_only_checks_that_repair_by_default_can_repair():
    assert {name for name in CHECKS if "repair" in allowed_severities(name)} == {
        "mode", "control_characters", "markup", "mixed_types", "out_of_range", "impossible_date",
    }  # fmt: skip


@pytest.mark.parametrize("severity", ["warn", "off"])
def test_rows_that_no_later_stage_can_read_must_be_rejected(severity):
    settings = {"undecodable": severity, "unknown_label": severity}
    (mistake,) = find_severity_mistakes(settings, "image", "classification")
    assert mistake.startswith(f"clean.checks.undecodable.severity: got {severity!r}; must be drop or error for images")
    (mistake,) = find_severity_mistakes(settings, "text", "regression")
    assert mistake.startswith(f"clean.checks.unknown_label.severity: got {severity!r}; must be drop or error for targ")
    # a text that is partly broken can be read
    assert find_severity_mistakes(settings, "text", "classification") == []


@pytest.mark.parametrize(
    ("settings", "columns", "severity"),
    [
        ({}, [], "warn"),
        ({}, [ColumnFinding("x", "constant_column", "")], "warn"),
        ({}, [ColumnFinding("x", "id_column", "")], "drop"),
        ({"duplicate": "warn"}, [ColumnFinding("x", "id_column", "")], "warn"),
        ({"duplicate": {"severity": "error"}}, [ColumnFinding("x", "id_column", "")], "error"),
    ],
)
def test_equal_rows_of_a_table_are_dropped_by_default_only_beside_an_id(settings, columns, severity):
    assert settle_duplicates(resolve_rules(settings, "table"), settings, columns)["duplicate"].severity == severity


def test_checks_of_texts_are_for_tables_with_a_column_of_them():
    assert {name for name, check in CHECKS.items() if check.column_kind} == {"control_characters", "markup"}
    without, with_texts = (
        set(resolve_rules({}, "table", column_kinds=kinds)) for kinds in (["date"], ["date", "text"])
    )
    assert with_texts - without == {"control_characters", "markup"}


def test_setting_of_a_check_is_in_params_yaml_and_of_a_rule_in_the_contract() -> None:
    assert describe_setting("dark", "drop") == "clean.checks.dark: drop"
    assert {describe_setting(name, "drop") for name in CONTRACT_CHECKS} == {"another action in contract.yaml"}
    assert {name: check.severity for name, check in CONTRACT_CHECKS.items()}.keys() & CHECKS.keys() == set()
    assert validate_checks({"contract_drop": "off"}), "a contract is changed in its file"
