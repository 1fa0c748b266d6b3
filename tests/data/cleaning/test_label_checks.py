import pytest

from headrace.contracts import Spec, TaskName
from headrace.data.cleaning.label_checks import label_fault

OPTIONS = {"missing_label": {}, "unknown_label": {"known": None}}


def fault(label: str | None, task: TaskName, targets: list[str] | None = None, known: list[str] | None = None):
    spec = Spec(modality="table", task=task, source="x", format="table", num_rows=9, targets=targets or [])
    return label_fault(label, spec, OPTIONS | {"unknown_label": {"known": known}})


@pytest.mark.parametrize("label", ["[]", '["a"]', '["a", "b"]'])
def test_lists_of_names_are_labels(label: str) -> None:
    assert fault(label, "multilabel") is None
    assert fault(label, "multilabel", known=["a", "b"]) is None


@pytest.mark.parametrize(
    ("label", "check", "reason"),
    [
        (None, "missing_label", "no label"),
        ("war", "unknown_label", "'war' is no list of labels, and no row of 0 and 1"),
        ('{"a": "2"}', "unknown_label", '\'{"a": "2"}\' is no list of labels, and no row of 0 and 1'),
        ('["a", "c"]', "unknown_label", "'c' is none of the 2 known labels"),
    ],
)
def test_what_is_no_list_of_known_names_is_told(label: str | None, check: str, reason: str) -> None:
    assert fault(label, "multilabel", known=["a", "b"]) == (check, reason)


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ('["1", "-2.5e3"]', None),
        ('["1", null]', ("missing_label", "no value of 'q'")),
        ('["inf", "1"]', ("unknown_label", "'p': 'inf' is no finite number (of 32 bits)")),
        ('["1", "x"]', ("unknown_label", "'q': 'x' is no finite number (of 32 bits)")),
        (None, ("missing_label", "no label")),
    ],
)
def test_every_target_needs_a_number(label: str | None, found: tuple[str, str] | None) -> None:
    assert fault(label, "regression", ["p", "q"]) == found


def test_checks_that_are_off_find_nothing() -> None:
    spec = Spec(modality="table", task="multilabel", source="x", format="table", num_rows=9)
    assert label_fault(None, spec, {}) is None
    assert label_fault("war", spec, {"missing_label": {}}) is None
