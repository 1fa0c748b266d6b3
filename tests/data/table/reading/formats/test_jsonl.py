import json

import pyarrow as pa
import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats import jsonl
from headrace.data.table.reading.formats.jsonl import open_jsonl
from headrace.errors import DataError


def read(tmp_path, text, expected=None, **options):
    (tmp_path / "x.jsonl").write_text(text)
    file = open_jsonl(tmp_path / "x.jsonl", ReadOptions(**options), expected)
    return file.names, [list(row.values()) for batch in file.batches for row in batch.cells.to_pylist()]


def test_scalars_become_text_and_missing_keys_null(tmp_path):
    text = '{"a": 1.50, "b": true}\n\n{"b": null, "c": "\\u00e9 \\ud800"}\r\n{"a": 10000000000000000000000, "c": ""}'
    names, rows = read(tmp_path, text)
    assert names == ["a", "b", "c"]
    assert rows == [["1.5", "true", None], [None, None, "\u00e9 ?"], ["10000000000000000000000", None, ""]]


def test_numbers_survive_the_round_trip(tmp_path):
    values = [0.1, 1e-300, 123456789.125, -0.0]
    _, rows = read(tmp_path, "\n".join(f'{{"a": {value!r}}}' for value in values))
    assert [float(row[0]) for row in rows] == values


def test_expected_columns_that_are_missing_become_null(tmp_path):
    assert read(tmp_path, '{"b": 1}', expected=["a", "b"]) == (["a", "b"], [[None, "1"]])


def test_late_key_raises_unless_it_is_in_the_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "HEAD_ROWS", 1)
    text = '{"a": 1}\n{"a": 2, "z": 3}\n'
    with pytest.raises(DataError, match=r"line 2: 'z' is a key that none of the first 1 rows has; name it in params"):
        read(tmp_path, text)
    assert read(tmp_path, text, columns={"z": "numeric"}) == (["a", "z"], [["1", None], ["2", "3"]])
    assert read(tmp_path, '{"a": 1}\n', columns={"z": "numeric"})[0] == ["a"]  # `infer_table` raises for it


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"a": 1}\n{"a": \n', "line 2: invalid JSON (Expecting value); each line must be a complete object"),
        ('[{"a": 1}]\n', "line 1: contains a JSON array; each line must be an object"),
        ("3\n", "line 1: contains a JSON number"),
        ('{"a": {"b": 1}}\n', "line 1: 'a' is a JSON object; cells must be texts"),
        ('{"a": 1}\n{"a": [1]}\n', "line 2: 'a' is a JSON array"),
        ("[" * 100_000 + "\n", "line 1: invalid JSON"),
        ("", "is empty"),
    ],
)
def test_invalid_lines_raise(tmp_path, text, line):
    with pytest.raises(DataError) as error:
        read(tmp_path, text)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_lists_are_read_only_in_the_target(tmp_path):
    text = '{"a": 1, "y": ["war", "comedy"]}\n{"a": 2, "y": []}\n{"a": 3}\n'
    assert read(tmp_path, text, target="y")[1] == [["1", '["comedy", "war"]'], ["2", "[]"], ["3", None]]
    with pytest.raises(DataError, match="'y' is a JSON array; .* name it as ingest.target if it is a list of labels"):
        read(tmp_path, text, target="a")


@pytest.mark.parametrize("value", [1.0, 0.1, -2.0, 1e-7, 1e22, 1e16, 123456789.5, 3])
def test_numbers_are_written_as_in_parquet(tmp_path, value):
    _, rows = read(tmp_path, json.dumps({"a": value}))
    assert rows == [pa.array([value]).cast(pa.string()).to_pylist()]
