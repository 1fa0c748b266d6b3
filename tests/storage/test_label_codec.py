import pytest

from headrace.storage.label_codec import decode_list, decode_names, encode_names, encode_values


def test_encode_names_sorts_and_strips_unique_names() -> None:
    assert encode_names(["war", " comedy ", "war", "", None, 3, True]) == '["3", "comedy", "true", "war"]'
    assert encode_names([]) == "[]"
    assert decode_names(encode_names(["\u00e9t\u00e9", 'a "b"', "x|y"])) == ['a "b"', "x|y", "\u00e9t\u00e9"]


def test_encode_values_can_be_decoded() -> None:
    assert decode_list(encode_values(["1.50", None, "abc"])) == ["1.50", None, "abc"]


@pytest.mark.parametrize("text", ["", "war", "[1, [2]]", '{"a": 1}', "[1,", "[" * 100_000])
def test_decode_list_of_other_text_returns_none(text: str) -> None:
    assert decode_list(text) is None
    assert decode_names(text) == []
