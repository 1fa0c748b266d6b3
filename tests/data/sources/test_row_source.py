import pyarrow as pa
import pytest

from headrace.data.sources.row_source import format_index, format_sources, name_rows, relative_name


@pytest.mark.parametrize(
    ("numbering", "names"), [("line", ["a b.csv:2", "a b.csv:30"]), ("index", ["a b.csv[2]", "a b.csv[30]"])]
)
def test_rows_of_a_file_are_named_by_line_or_index(numbering, names):
    assert format_sources("a b.csv", pa.array([2, 30]), numbering).to_pylist() == names
    assert [format_index("a b.csv", 2), "a b.csv:2"][numbering == "line"] == names[0]


def test_rows_without_a_source_are_named_by_their_ids():
    ids = {"row_id": ["0f", "1f"]}
    assert name_rows(pa.record_batch(ids)).to_pylist() == ["row 0f", "row 1f"]
    assert name_rows(pa.record_batch(ids | {"source": ["x.csv:2", None]})).to_pylist() == ["x.csv:2", "row 1f"]


def test_names_that_are_not_utf_8_are_escaped(tmp_path):
    path = tmp_path / "b" / b"\xe9.csv".decode("utf-8", "surrogateescape")
    assert relative_name(path, tmp_path) == "b/\\xe9.csv"
