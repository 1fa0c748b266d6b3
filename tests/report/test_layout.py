import pytest

from headrace.report.layout import Section, Table, format_interval, format_number, make_table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "yes"), (3, "3"), (12345, "12,345"), (12345.678, "12,346"), (0.99040307, "0.9904"),
        (1.0, "1"), ("0.25", "0.25"), ("one_cycle", "one_cycle"), ("", ""), (1e-9, "1e-09"),
    ],
)  # fmt: skip
def test_numbers_have_four_significant_digits(value, text):
    assert format_number(value) == text


def test_interval_with_a_missing_end_is_empty():
    assert format_interval(0.5, 0.75) == "0.5 to 0.75"
    assert format_interval(0.5, None) == format_interval("", "0.75") == ""


def test_table_joins_the_ends_of_intervals_and_leaves_names_alone():
    record = {"class": "007", "rows": "40", "accuracy": "0.5", "accuracy_low": "0.25", "accuracy_high": "0.75"}
    table = make_table("By class", [record])
    assert table == Table(
        "By class", ["class", "rows", "accuracy", "accuracy, 95 %"], [["007", "40", "0.5", "0.25 to 0.75"]]
    )


def test_table_without_records_is_none():
    assert make_table("By class", []) is None


def test_empty_columns_are_dropped():
    table = Table("x", ("name", "why", "a", "b"), [["p", "", "1", ""], ["q", "", "", ""]], 2)
    assert table.drop_empty_columns() == Table("x", ["name", "a"], [["p", "1"], ["q", ""]], 1)


def test_anchor_is_a_word():
    assert Section("Intended use").anchor == "intended-use"
