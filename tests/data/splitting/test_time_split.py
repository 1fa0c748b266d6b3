import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.splitting.groups import build_row_groups
from headrace.data.splitting.time_split import parse_times, split_by_time
from headrace.errors import DataError
from tests.data.splitting.conftest import FRACTIONS


def singles(num_rows: int):
    return build_row_groups(np.array([f"{number:032x}" for number in range(num_rows)], "S32"), [])


def sort(values: list[object], kind: pa.DataType | None = None) -> list[int]:
    return np.argsort(parse_times(pa.chunked_array([pa.array(values, kind)]), "when"), kind="stable").tolist()


@pytest.mark.parametrize(
    "values",
    [
        [3.5, -1.0, 20.0],
        ["3.5", "-1", " 20 "],  # as text, 20 would come before 3.5
        [np.datetime64("2024-05-02", "us"), np.datetime64("1969-01-01", "us"), np.datetime64("2024-05-02T01", "us")],
        ["2024-05-02", "1969-01-01", "2024-05-02T01:00"],
        ["2024-05-02", "0001-01-01", "20240503"],
        ["2024-05-02T10:00+02:00", "2024-05-02T09:00+05:00", "2024-05-02T09:00Z"],  # not in the order of their text
    ],
)
def test_times_are_in_order(values):
    assert sort(values) == [1, 0, 2]


def test_microseconds_are_compared():
    assert sort(["2024-05-02T00:00:00.000002", "2024-05-02T00:00:00.000001"]) == [1, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, None, None], "2 rows without a time"),
        ([1.0, float("nan")], "1 rows without a time"),
        (["1", "nan"], "1 rows without a time"),
        (["2024-01-01", "", "  ", None], "3 rows without a time"),
        ([np.datetime64("2024-01-01", "us"), None], "1 rows without a time"),
        (["2024-01-01", "31.01.2024"], "'31.01.2024', which is not an ISO date"),
        (["1704067200", "2024-01-01"], "'1704067200', which is not an ISO date"),
        (["2024-01-01", "yesterday"], "'yesterday', which is not an ISO date"),
        (["2024-01-01T00:00", "2024-01-01T00:00Z"], "but also '2024-01-01T00:00': with and without a time zone"),
    ],
)
def test_times_that_cannot_be_compared_raise(values, message):
    with pytest.raises(DataError, match="params.yaml: split.time: column 'when' has ") as error:
        sort(values)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_different_times_are_split_at_the_fractions():
    assigned = split_by_time(np.arange(1000)[::-1], singles(1000), FRACTIONS)
    assert np.bincount(assigned).tolist() == [700, 150, 150]
    assert (np.diff(assigned) <= 0).all()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([80, 10, 10], [80, 10, 10]),  # the first cut is closer to 70 than none
        ([10, 10, 80], [10, 10, 80]),
        ([1, 98, 1], [1, 98, 1]),
        ([40, 35, 10, 10, 5], [75, 10, 15]),
    ],
)
def test_rows_of_one_time_stay_together(sizes, expected):
    times = np.repeat(np.arange(len(sizes)), sizes)
    assert np.bincount(split_by_time(times, singles(100), FRACTIONS)).tolist() == expected


def test_too_few_times_raise():
    with pytest.raises(DataError, match="2 different times .* are too few for 3 splits; choose another column"):
        split_by_time(np.arange(50) % 2, singles(50), FRACTIONS)


def test_group_is_in_the_split_of_its_earliest_row():
    ids = np.array([f"{number:032x}" for number in range(100)], "S32")
    assigned = split_by_time(np.arange(100), build_row_groups(ids, [("g", [0, 99]), (None, [80, 95])]), FRACTIONS)
    assert assigned[[0, 99]].tolist() == [0, 0]
    assert assigned[80] == assigned[95]


@settings(deadline=None)
@given(
    st.lists(st.integers(-5, 30), min_size=1, max_size=60),
    st.lists(st.lists(st.integers(0, 59), min_size=1, max_size=4), max_size=5),
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
)
def test_splits_are_in_order_of_time_and_groups_stay_together(times, clusters, fractions):
    inside = [[row for row in rows if row < len(times)] for rows in clusters]
    ids = np.array([f"{number:032x}" for number in range(len(times))], "S32")
    groups = build_row_groups(ids, [(None, rows) for rows in inside if rows])
    earliest = np.array([min(np.array(times)[groups.group_of_row == group]) for group in groups.group_of_row])
    if len(set(earliest.tolist())) < 3:
        with pytest.raises(DataError):
            split_by_time(np.array(times), groups, fractions)
        return
    assigned = split_by_time(np.array(times), groups, fractions)
    assert set(assigned.tolist()) == {0, 1, 2}
    assert earliest[assigned == 0].max() < earliest[assigned == 1].min()
    assert earliest[assigned == 1].max() < earliest[assigned == 2].min()
    assert all(len(set(assigned[groups.group_of_row == group].tolist())) == 1 for group in groups.group_of_row)
