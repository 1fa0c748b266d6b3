import pytest
from pydantic import ValidationError

from headrace.data.sources.read_options import ReadOptions, TableFormat


@pytest.mark.parametrize("delimiter", ["", ",,", "automatic"])
def test_delimiter_must_be_one_character(delimiter: str) -> None:
    with pytest.raises(ValidationError, match="must be one character"):
        TableFormat(delimiter=delimiter)
    assert [TableFormat(delimiter=valid).delimiter for valid in (",", "\t", "auto")] == [",", "\t", "auto"]


@pytest.mark.parametrize("target", [[], ["a", "b", "a"]])
def test_target_must_be_different_columns(target: list[str]) -> None:
    with pytest.raises(ValidationError, match="must be a column, or several different ones"):
        ReadOptions(target=target)


def test_targets_lists_the_columns() -> None:
    assert [ReadOptions(target=target).targets for target in (None, "a", ["b", "a"])] == [[], ["a"], ["b", "a"]]
