import pytest

from headrace.storage.label_codec import read_list, read_names, write_names, write_values


def test_names_are_sorted_each_once_without_blanks() -> None:
    assert write_names(["war", " comedy ", "war", "", None, 3, True]) == '["3", "comedy", "true", "war"]'
    assert write_names([]) == "[]"
    assert read_names(write_names(["\u00e9t\u00e9", 'a "b"', "x|y"])) == ['a "b"', "x|y", "\u00e9t\u00e9"]


def test_values_stay_as_they_are() -> None:
    assert read_list(write_values(["1.50", None, "abc"])) == ["1.50", None, "abc"]


@pytest.mark.parametrize("text", ["", "war", "[1, [2]]", '{"a": 1}', "[1,", "[" * 100_000])
def test_what_is_no_flat_list_is_told_from_one(text: str) -> None:
    assert read_list(text) is None
    assert read_names(text) == []
