import json

import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading import text_stream
from headrace.data.table.reading.formats import json_document
from headrace.data.table.reading.formats.json_document import open_json
from headrace.errors import DataError

ROWS = [{"a": index, "b": None if index == 2 else f"x\n{index}, ]}}", "label": "p"} for index in range(7)]
CELLS = [[str(row["a"]), row["b"], "p"] for row in ROWS]


def read(tmp_path, text, name="x.json", **options):
    (tmp_path / name).write_text(text)
    opened = open_json(tmp_path / name, ReadOptions(**options), None)
    batches = list(opened.batches)
    cells = [list(row.values()) for batch in batches for row in batch.cells.to_pylist()]
    return opened, cells, [number for batch in batches for number in batch.numbers.to_pylist()]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_arrays_of_objects(tmp_path, indent, name):
    opened, cells, numbers = read(tmp_path, "\n " + json.dumps(ROWS, indent=indent) + "\n", name)
    assert (opened.names, opened.numbering) == (["a", "b", "label"], "index")
    assert (cells, numbers) == (CELLS, list(range(7)))


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_arrays_are_decoded_across_blocks(tmp_path, monkeypatch, size):
    monkeypatch.setattr(text_stream, "BLOCK_BYTES", size)
    assert read(tmp_path, json.dumps(ROWS))[1] == CELLS


def test_the_size_of_an_object_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(json_document, "MAX_ROW_CHARS", 100)
    monkeypatch.setattr(text_stream, "BLOCK_BYTES", 50)
    with pytest.raises(DataError, match=r"row 1: invalid JSON \(Unterminated string"):
        read(tmp_path, json.dumps([{"a": 1}, {"a": "x" * 1000}]))
    monkeypatch.setattr(json_document, "MAX_DOCUMENT_CHARS", 100)
    with pytest.raises(DataError, match="more than 100 characters, which cannot be read in parts; write one object"):
        read(tmp_path, '{\n"a": [' + "1, " * 100 + "1]}")


@pytest.mark.parametrize(
    "document",
    [
        {name: [row[name] for row in ROWS] for name in ROWS[0]},
        {name: {f"row {index}": row[name] for index, row in enumerate(ROWS)} for name in ROWS[0]},
        {"columns": list(ROWS[0]), "index": list(range(7)), "data": [list(row.values()) for row in ROWS]},
        {"count": 7, "rows": ROWS},
        {"schema": {"fields": []}, "data": ROWS},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_objects_of_columns_and_of_rows(tmp_path, document, indent):
    opened, cells, _ = read(tmp_path, json.dumps(document, indent=indent))
    assert cells == CELLS
    if "rows" in document:
        (assumption,) = opened.assumptions
        assert assumption.text == "the rows are the list 'rows' of the object; what else it contains is left out"


def test_lines_of_objects_are_json_lines(tmp_path):
    opened, cells, numbers = read(tmp_path, "\n".join(map(json.dumps, ROWS)))
    assert (opened.numbering, cells, numbers) == ("line", CELLS, list(range(1, 8)))
    lists = '{"tags": ["a"], "other": ["b"]}\n' * 2
    with pytest.raises(DataError, match="line 1: 'other' is a JSON array"):
        read(tmp_path, lists, target="tags")
    assert read(tmp_path, lists, target="tags", columns={"other": "ignore"})[1] == [['["a"]', None]] * 2
