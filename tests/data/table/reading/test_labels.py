import logging

import pyarrow as pa
import pytest

from headrace.data.sources.read_options import TableFormat
from headrace.data.table.reading.labels import (
    build_labels,
    find_dotted_splits,
    find_marked_classes,
    remove_trailing_dots,
)


def labels(task, separator=None, **columns):
    return build_labels({n: pa.array(c, pa.string()) for n, c in columns.items()}, task, separator).to_pylist()


def test_class_label_is_its_cell():
    assert labels("classification", y=["a", None]) == ["a", None]


def test_names_are_split_at_separators():
    assert labels("multilabel", "|", y=["war|comedy", " war | war ", "|", None]) == [
        '["comedy", "war"]', '["war"]', "[]", None,
    ]  # fmt: skip


def test_lists_are_read_and_invalid_ones_are_unchanged():
    assert labels("multilabel", y=['["b", "a"]', "[]", "a b", None]) == ['["a", "b"]', "[]", "a b", None]


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("1.0", "0.0"), ("True", "false"), ("yes", "No")])
def test_flag_columns_become_names(yes, no):
    assert labels("multilabel", a=[yes, no, None], b=[yes, no, None]) == ['["a", "b"]', "[]", None]


def test_invalid_flags_are_unchanged():
    assert labels("multilabel", a=["1", "1"], b=["2", None]) == ['{"a": "1", "b": "2"}', '{"a": "1", "b": null}']


def test_values_of_several_columns_become_a_list():
    assert labels("regression", a=["1.5", "1", None], b=["2", None, None]) == ['["1.5", "2"]', '["1", null]', None]


def test_find_dotted_splits_warns(caplog):
    with caplog.at_level(logging.WARNING):
        dotted = find_dotted_splits({"train": {"<=50K", ">50K"}, "test": {"<=50K.", ">50K."}}, "adult")
    assert dotted == {"test": ["<=50K", ">50K"]}
    assert caplog.messages == [
        "adult: labels of test rows end in a full stop, those of train rows do not;"
        " it is removed ('<=50K.' becomes '<=50K')"
    ]


@pytest.mark.parametrize(
    "labels",
    [
        {"train": {"a", "b"}, "test": {"a", "b"}},
        {"train": {"a", "b"}, "test": {"a.", "b"}},  # not all
        {"train": {"a", "b"}, "test": {"a.", "c."}},  # of another class
        {"train": {"a.", "b."}, "test": {"a.", "b."}},
        {"train": {"a", "a."}, "test": {"a."}},
        {None: {"a", "a."}},
        {"train": {"a"}, "test": set()},
    ],
)
def test_find_dotted_splits_ignores_other_labels(labels):
    assert find_dotted_splits(labels, "set") == {}


def test_remove_trailing_dots_only_from_known_labels():
    labels = pa.array(["a.", "a", None, "c.", "a.."])
    assert remove_trailing_dots(labels, ["a", "b"]).to_pylist() == ["a", "a", None, "c.", "a.."]


def marked(cells, **options):
    result = find_marked_classes(pa.chunked_array([pa.array(cells, pa.string())]), TableFormat(**options))
    return result.classes, [assumption.text for assumption in result.assumptions]


@pytest.mark.parametrize(
    ("cells", "classes", "texts"),
    [
        (["EU", "NA", "AS"] * 30, ["NA"], ["33% of the cells are 'NA': a class, not missing"]),
        (["Mild"] * 40 + ["None"] * 60, ["None"], ["60% of the cells are 'None': a class, not missing"]),
        (["a"] * 45 + ["b"] * 45 + ["NA"] * 10, [], ["10% of the cells are 'NA': missing, not a class"]),
        (["a"] * 500 + ["b"] * 499 + ["NA"], [], []),
        (["a"] * 50 + ["b"] * 50 + [None] * 50, [], []),
        (["a"] * 50 + ["b"] * 50 + ["?"] * 50, [], []),  # never a name
        (["NA"] * 9, [], []),
    ],
)
def test_a_frequent_marker_of_missing_values_is_a_class(cells, classes, texts):
    assert marked(cells) == (classes, texts)


def test_markers_that_the_settings_name_are_missing():
    assert marked(["EU", "NA", "AS"] * 30, missing=["", "NA"]) == ([], [])
