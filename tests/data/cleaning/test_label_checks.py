import pytest

from headrace.contracts import Spec, TaskName
from headrace.data.cleaning.label_checks import find_label_problem

OPTIONS = {"missing_label": {}, "unknown_label": {"known": None}}


def find(label: str | None, task: TaskName, targets: list[str] | None = None, known: list[str] | None = None):
    spec = Spec(modality="table", task=task, source="x", format="table", num_rows=9, targets=targets or [])
    return find_label_problem(label, spec, OPTIONS | {"unknown_label": {"known": known}})


@pytest.mark.parametrize("label", ["[]", '["a"]', '["a", "b"]'])
def test_lists_of_known_names_are_valid(label: str) -> None:
    assert find(label, "multilabel") is None
    assert find(label, "multilabel", known=["a", "b"]) is None


@pytest.mark.parametrize(
    ("label", "check", "reason"),
    [
        (None, "missing_label", "no label"),
        ("war", "unknown_label", "'war' is neither a list of labels nor a row of 0 and 1"),
        ('{"a": "2"}', "unknown_label", '\'{"a": "2"}\' is neither a list of labels nor a row of 0 and 1'),
        ('["a", "c"]', "unknown_label", "'c' is not one of the 2 known labels"),
    ],
)
def test_label_that_is_not_a_list_of_known_names_is_a_problem(label: str | None, check: str, reason: str) -> None:
    assert find(label, "multilabel", known=["a", "b"]) == (check, reason)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ('["1", "-2.5e3"]', None),
        ('["1", null]', ("missing_label", "no value of 'q'")),
        ('["inf", "1"]', ("unknown_label", "'p': 'inf' is not a finite 32-bit number")),
        ('["1", "x"]', ("unknown_label", "'q': 'x' is not a finite 32-bit number")),
        (None, ("missing_label", "no label")),
    ],
)
def test_every_target_needs_a_number(label: str | None, problem: tuple[str, str] | None) -> None:
    assert find(label, "regression", ["p", "q"]) == problem


def test_checks_that_are_off_find_nothing() -> None:
    spec = Spec(modality="table", task="multilabel", source="x", format="table", num_rows=9)
    assert find_label_problem(None, spec, {}) is None
    assert find_label_problem("war", spec, {"missing_label": {}}) is None
