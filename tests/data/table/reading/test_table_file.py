from pathlib import Path

import pytest

from headrace.data.table.reading.table_file import check_same_columns, check_unique_names
from headrace.errors import DataError

PATH = Path("x.csv")


def test_check_unique_names_lists_duplicates():
    check_unique_names(PATH, ["a", "A", ""])
    with pytest.raises(DataError, match=r"^x.csv: several columns are named \['', 'a'\]; names must be unique"):
        check_unique_names(PATH, ["a", "b", "", "a", "", "a"])


def test_check_same_columns_accepts_another_order():
    check_same_columns(PATH, ["b", "a"], ["a", "b"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], r"columns \['b'\] are missing, \[\] are extra"),
        (["a", "b", "c"], r"columns \[\] are missing, \['c'\] are extra"),
        (["a", "c"], r"columns \['b'\] are missing, \['c'\] are extra"),
        (["a", "b", "b"], r"columns \[\] are missing"),  # the same set of names
    ],
)
def test_check_same_columns_names_the_difference(names, message):
    with pytest.raises(DataError, match="^x.csv: is not a shard of the same table as the files before it: " + message):
        check_same_columns(PATH, names, ["a", "b"])
