import logging

import pyarrow as pa
import pytest

from headrace.modalities.table.labels import dotted_splits, without_dots


def test_split_whose_labels_all_end_in_a_stop_is_found(caplog):
    with caplog.at_level(logging.WARNING):
        found = dotted_splits({"train": {"<=50K", ">50K"}, "test": {"<=50K.", ">50K."}}, "adult")
    assert found == {"test": ["<=50K", ">50K"]}
    assert caplog.messages == [
        "adult: labels of test rows end in a full stop, those of train rows do not;"
        " it is left out ('<=50K.' is '<=50K')"
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
def test_other_labels_are_left_alone(labels):
    assert dotted_splits(labels, "set") == {}


def test_only_what_is_known_loses_its_stop():
    labels = pa.array(["a.", "a", None, "c.", "a.."])
    assert without_dots(labels, ["a", "b"]).to_pylist() == ["a", "a", None, "c.", "a.."]
