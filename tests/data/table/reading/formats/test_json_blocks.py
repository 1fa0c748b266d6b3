import json
from pathlib import Path

import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats import jsonl
from headrace.data.table.reading.formats.cell_text import format_scalar
from headrace.data.table.reading.formats.json_blocks import MAX_REFUSED, BlockParser
from headrace.data.table.reading.formats.jsonl import open_jsonl
from headrace.errors import DataError


@pytest.mark.parametrize(
    "lines",
    [
        ['{"a": 1, "b": "x"}', '{"b": "\\u00e9\\u0000\\"", "a": null}', "{}"],
        ['{"a": 1}', '{"a": 2.0}', '{"a": 1e3}', '{"a": NaN}', '{"a": 12345678901.5}', '{"a": 1e-7}'],
        ['{"a": "2024-01-02", "b": true}', '{"a": "2024-01-02 03:04", "b": false}'],
        ['{"a": -0.5}', '{"a": 9007199254740991}', '{"a": 5e-324}'],
    ],
)
def test_cells_are_those_of_the_parsed_objects(lines: list[str]) -> None:
    cells = BlockParser(["a", "b"]).parse(lines)
    assert cells is not None
    rows = [{name: format_scalar(json.loads(line).get(name)) for name in ("a", "b")} for line in lines]
    assert cells.to_pylist() == rows


@pytest.mark.parametrize(
    "lines",
    [
        ['{"a": 9007199254740993}', '{"a": 0.5}'],
        ['{"a": 123456789012345678901}'],
        ['{"a": -0}', '{"a": 0.5}'],
        ['{"a": "\\ud800"}'],
        ['{"a": 1}', '{"a": "x"}'],
        ['{"a": true}', '{"a": 1}'],
        ['{"a": [1]}'],
        ['{"a": {"b": 1}}'],
        ['{"a": 1, "a": 2}'],
        ['{"a": 1} {"a": 2}'],
        ['{"a": 1} {"a": 2}', '{"a":', "3}"],
        ['{"z": 1}'],
        ["[1]"],
        ['{"a": 01}'],
        ['{"a": "\t"}'],
        ['{"a": 1e400}'],
    ],
)
def test_what_arrow_would_read_otherwise_is_left_to_python(lines: list[str]) -> None:
    parser = BlockParser(["a", "b"])
    assert parser.parse(lines) is None
    assert parser.parse(['{"a": 1}']) is not None
    for _ in range(MAX_REFUSED - 1):
        parser.parse(lines)
    assert parser.parse(['{"a": 1}']) is None  # not tried any more


def test_texts_that_look_like_dates_stay_as_they_are_in_all_blocks() -> None:
    parser = BlockParser(["a"])
    for value in ("2024-01-02T00:00:00Z", "2024-1", "x"):
        assert parser.parse([json.dumps({"a": value})]).to_pylist() == [{"a": value}]


def test_a_file_of_both_kinds_of_blocks_is_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = ["x" * 20, 2**60, 0.5] * 40
    (tmp_path / "x.jsonl").write_text("\n\n".join(json.dumps({"a": value}) for value in values) + "\n")
    monkeypatch.setattr(jsonl, "read_line_blocks", lambda path, _: (part.split("\n") for part in cut(path.read_text())))
    opened = open_jsonl(tmp_path / "x.jsonl", ReadOptions(), None)
    rows = [(number, row["a"]) for batch in opened.batches
            for number, row in zip(batch.numbers.to_pylist(), batch.cells.to_pylist(), strict=True)]  # fmt: skip
    assert rows == [(1 + 2 * index, format_scalar(value)) for index, value in enumerate(values)]


def cut(text: str) -> list[str]:
    """Parts of seven lines."""
    lines = text.split("\n")
    return ["\n".join(lines[start : start + 7]) for start in range(0, len(lines), 7)]


def test_the_line_of_an_error_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n{"a": }\n')
    with pytest.raises(DataError, match="line 4: invalid JSON"):
        open_jsonl(tmp_path / "x.jsonl", ReadOptions(), None)
