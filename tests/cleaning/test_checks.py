"""The table of checks: what is looked for in each modality, and how hard."""

from typing import get_args

import pytest

from headrace.cleaning.checks import CHECKS, Severity, left_out, rules
from headrace.contracts import ModalityName


@pytest.mark.parametrize("modality", get_args(ModalityName))
def test_rules_without_settings_are_those_of_the_table(modality):
    made = rules({}, modality)
    assert set(made) == {name for name, check in CHECKS.items() if modality in check.modalities}
    for name, rule in made.items():
        assert rule.severity == CHECKS[name].softer.get(modality, CHECKS[name].severity)
        assert rule.severity in get_args(Severity)
        assert rule.options == CHECKS[name].options


def test_rules_take_a_severity_alone_or_with_options():
    settings = {"duplicate": "warn", "rare_class": {"severity": "drop", "min_rows": 9}, "imbalance": {"max_ratio": 2}}
    made = rules(settings, "image")
    assert made["duplicate"] == ("warn", {})
    assert made["rare_class"] == ("drop", {"min_rows": 9})
    assert made["imbalance"] == ("warn", {"max_ratio": 2})
    assert settings["rare_class"] == {"severity": "drop", "min_rows": 9}, "the settings stay as they are"
    assert CHECKS["rare_class"].options == {"min_rows": 3}


def test_rules_of_other_modalities_are_left_out():
    assert "markup" not in rules({"markup": "drop"}, "image")


def test_conflicting_labels_are_softer_for_tables():
    assert rules({}, "table")["conflicting_labels"].severity == "warn"
    assert rules({"conflicting_labels": "drop"}, "table")["conflicting_labels"].severity == "drop"


def test_every_check_tells_what_its_options_mean():
    for name, check in CHECKS.items():
        assert check.about, name
        assert all(word in check.options for word in check.about.split("`")[1::2]), name


def test_checks_that_make_no_sense_for_a_task_are_left_out_and_told():
    left = set(rules({}, "table")) - set(rules({}, "table", "multilabel"))
    assert left == {"label_error", "leakage"} == {name for name, _ in left_out("table", "multilabel")}
    assert left_out("text", "multilabel") == [("label_error", "not looked for: it makes no sense for multilabel")]
    assert left_out("table", "classification") == []
