from hypothesis import given
from hypothesis import strategies as st

from headrace.data.sources.row_source import SOURCE
from headrace.storage.column_names import RESERVED_NAMES, is_source_column, to_source_name, to_stored_name

NAMES = st.one_of(st.text(), st.builds("{}{}".format, st.sampled_from(RESERVED_NAMES), st.text("_", max_size=3)))


def test_places_of_rows_are_a_reserved_name():
    assert SOURCE in RESERVED_NAMES


def test_reserved_names_get_an_underscore():
    assert to_stored_name("label") == "label_"
    assert (to_source_name("label"), to_source_name("a_")) == ("label", "a_")


@given(NAMES)
def test_stored_names_are_never_those_of_headrace_and_lead_back_to_the_source(name):
    stored = to_stored_name(name)
    assert is_source_column(stored)
    assert to_source_name(stored) == name


@given(st.sets(NAMES))
def test_different_names_stay_different(names):
    assert len({to_stored_name(name) for name in names}) == len(names)
