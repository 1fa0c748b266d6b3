"""Malformed workbooks, documents, databases, arrays and shards raise one line that says where, what, and what to do."""

import io
import json
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from headrace.data.readers import READERS, choose_reader
from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.table.reading.formats import workbook_scan
from headrace.errors import ConfigError, DataError
from tests.table_files import TABLE_WRITERS, make_rows, write_orc, write_saved_dataset, write_state, write_workbook

ROWS = make_rows(40)
HEADER = "@relation r\n@attribute a numeric\n@attribute label string\n@data\n"


def read_error(path: Path, kind: type[Exception] | tuple[type[Exception], ...] = DataError, **options: object) -> str:
    """The message that opening a source, or reading its rows, raises."""
    with pytest.raises(kind) as error:
        reader = READERS[choose_reader("auto", path.name, path)]
        list(reader(path, ReadOptions(source=path.name, **options)).batches)
    line = str(error.value)
    assert "\n" not in line
    assert len(line) < 500
    assert ": " in line
    assert ";" in line  # what to do
    return line


def put(tmp_path: Path, content: str | bytes, name: str) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", [name for name in TABLE_WRITERS if name not in {"x.csv", "x.jsonl", "saved"}])
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.98])
def test_truncated_files(tmp_path, name, share):
    TABLE_WRITERS[name](tmp_path / name, ROWS)
    content = (tmp_path / name).read_bytes()
    message = read_error(put(tmp_path, content[: int(len(content) * share)], name))
    assert name in message


@pytest.mark.parametrize("name", ["x.xlsx", "x.feather", "x.arrow", "x.orc", "x.db", "x.duckdb", "x.npz", "x.tar"])
def test_text_under_the_name_of_another_format(tmp_path, name):
    assert name in read_error(put(tmp_path, "a,b,label\n1,2,p\n" * 100, name))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "x.json: has no rows"),
        ("[{}, {}]", "x.json: has no rows"),
        ("[1, 2]", "x.json: row 0 is no object"),
        ('[{"a": 1, "label": "p"}, null]', "x.json: row 1 is no object"),
        ('[{"a": 1, "label": "p"} {"a": 1, "label": "p"}]', "x.json: row 1: invalid JSON (Expecting ',' delimiter)"),
        ('[{"a": 1, "label": "p"}', "x.json: row 1: invalid JSON"),
        ('[{"a": 1, "label": "p"}] x', "x.json: goes on after the end of its array ('x')"),
        ('[{"a": [1], "label": "p"}]', "x.json: row 0: 'a' is a JSON array"),
        ("[" * 100_000, "x.json: row 0"),
        ('{"a": [1, 2],\n "label": ["p"]}', "x.json: its columns have different numbers of rows, {'a': 2, 'label': 1}"),
        ('{"a": {"0": 1},\n "label": {"1": "p"}}', "x.json: column 'label' has other rows than those before it"),
        ('{"a": 3,\n "label": "p"}', "x.json: is an object whose 'a' is no column"),
        ('{"a": [1, 2],\n', "x.json: invalid JSON"),
        (b'[{"a": "\0"}]', "x.json: line 1: contains a zero byte"),
    ],
)
def test_malformed_json_documents(tmp_path, content, message):
    assert message in read_error(put(tmp_path, content, "x.json"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("@relation r\n@attribute a numeric\n", "x.arff: has no lines @attribute and @data"),
        ("@relation r\n@data\n1\n", "x.arff: has no lines @attribute and @data"),
        ("a,b\n1,2\n", "x.arff: line 1: 'a,b' is no part of an ARFF header"),
        ("@relation r\n@attribute 'a numeric\n@data\n1\n", "x.arff: line 2: "),
        ("@relation r\n@attribute a relational\n@data\n1\n", "x.arff: line 2: relational attributes are not supported"),
        (HEADER + "{0 1, 1 p}\n", "x.arff: line 5: is sparse"),
        (HEADER + "1,p\n1,p,q\n", "x.arff: line 6: has 3 cells, the table has 2 columns"),
        (HEADER + "1,'p\n", "x.arff: line 5: has a quote that does not enclose a cell"),
        (HEADER.replace("label", "a") + "1,p\n", "x.arff: several columns are named ['a']"),
        (HEADER, "x.arff: has columns ['a', 'label'], but no rows"),
        (HEADER + "1,'" + " " * 100_000 + "\n", "x.arff: line 5: has a quote that does not enclose a cell"),
    ],
)
def test_malformed_arff(tmp_path, content, message):
    assert message in read_error(put(tmp_path, content, "x.arff"))


def test_workbook_without_rows_or_with_an_unknown_sheet(tmp_path):
    write_workbook(tmp_path / "x.xlsx", {"one": [], "two": [["a"]]})
    assert "x.xlsx: none of its 2 sheets has rows" in read_error(tmp_path / "x.xlsx")
    message = read_error(tmp_path / "x.xlsx", ConfigError, table=TableFormat(sheet="tow"))
    assert "ingest.table.sheet: x.xlsx has no 'tow'; choose one of ['one', 'two'] (did you mean 'two'?)" in message


def test_workbook_whose_cells_are_far_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook_scan, "MAX_CELLS", 100)
    rows = [["a", "label"], *([None, None] for _ in range(60)), [1, "p"]]
    write_workbook(tmp_path / "x.xlsx", {"data": rows})
    assert "sheet1.xml spans 62 rows and 2 columns, more than the 100 cells" in read_error(tmp_path / "x.xlsx")


def test_workbook_that_unpacks_to_too_much(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 50_000_000)
    assert "x.xlsx: unpacks to more than 200 times its " in read_error(tmp_path / "x.xlsx")


def test_feather_of_the_first_version(tmp_path):
    assert "x.feather: is Feather of version 1" in read_error(
        put(tmp_path, b"FEA1" + bytes(200) + b"FEA1", "x.feather")
    )


def test_arrow_file_with_texts_that_are_no_utf8(tmp_path):
    table = pa.table({"a": ["x" * 50] * 90, "label": ["p", "q", "r"] * 30})
    feather.write_feather(table, str(tmp_path / "x.feather"), compression="uncompressed")
    content = (tmp_path / "x.feather").read_bytes().replace(b"x" * 50, b"\xff" * 50)
    assert "x.feather: not readable as Arrow" in read_error(put(tmp_path, content, "x.feather"))


def test_orc_with_a_nested_column(tmp_path):
    write_orc(tmp_path / "x.orc", [{"a": [1], "label": "p"}])
    assert "column 'a' contains list<" in read_error(tmp_path / "x.orc")


def test_two_columns_of_images(tmp_path):
    images = pa.array([{"bytes": b"x", "path": "x.png"}] * 9)
    pq.write_table(pa.table({"a": images, "b": images, "label": [0, 1, 2] * 3}), tmp_path / "x.parquet")
    message = read_error(tmp_path / "x.parquet", ConfigError)
    assert "ingest.columns: ['a', 'b'] all hold images" in message


def test_images_that_were_left_on_another_machine(tmp_path):
    images = pa.array(
        [{"bytes": None, "path": "/home/me/cat.png"}] * 9, pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    pq.write_table(pa.table({"image": images, "label": [0, 1, 2] * 3}), tmp_path / "x.parquet")
    assert "column 'image' has paths such as '/home/me/cat.png', but no images" in read_error(tmp_path / "x.parquet")


def test_saved_dataset_without_its_data(tmp_path):
    write_saved_dataset(tmp_path / "saved", ROWS)
    for name in ("data-00001-of-00002.arrow", "data-00000-of-00002.arrow"):
        (tmp_path / "saved" / name).unlink()
        assert f"state.json: its data file {name} is not there" in read_error(tmp_path / "saved")
    for state in ("{", "[]", '{"_data_files": [1]}'):
        (tmp_path / "saved" / "state.json").write_text(state)
        assert "is no state.json of Hugging Face's datasets" in read_error(tmp_path / "saved")


def test_saved_dataset_whose_indices_lead_outside(tmp_path):
    write_saved_dataset(tmp_path / "saved", ROWS)
    indices = pa.table({"indices": pa.array([3, 2**40], pa.uint64())})
    with pa.ipc.new_stream(str(tmp_path / "saved" / "indices.arrow"), indices.schema) as stream:
        stream.write_table(indices)
    write_state(tmp_path / "saved", ["data-00000-of-00002.arrow"], ["indices.arrow"])
    assert "state.json: not readable as a dataset" in read_error(tmp_path / "saved", target="outcome")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"foo": np.zeros(3)}, "none of the arrays ['x.npz/foo'] is named as inputs"),
        ({"x": np.array([{}, {}], object), "y": np.zeros(2)}, "'x' holds pickled Python objects"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.array([{}] * 3, object)}, "'y' holds pickled Python objects"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.zeros(2)}, "x.npz/x has the shape [3, 4, 4], x.npz/y [2]"),
        ({"x": np.zeros((3, 4, 4), np.uint8)}, "x.npz/x has no labels"),
        ({"x": np.zeros((3, 4, 4)), "y": np.zeros(3)}, "'x' has the shape [3, 4, 4] and the type float64"),
        (
            {"x": np.zeros((3, 4, 4, 7), np.uint8), "y": np.zeros(3)},
            "'x' has the shape [3, 4, 4, 7] and the type uint8",
        ),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.array([0.5, 1, 2])}, "'y' has fractions"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.full((3, 2), 7)}, "'y' has several columns that are not 0 or 1"),
        ({"x": np.zeros((3, 2)), "y": np.zeros((3, 1, 1))}, "'y' has the shape [3, 1, 1]"),
        ({"x": np.zeros(3, [("a", "i4")])}, "'x' is no array of numbers or text"),
        ({}, "contains no arrays"),
    ],
)
def test_malformed_arrays(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    assert message in read_error(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("(700, 28, 28)", "'x' ends "),
        ("(1000000000000, 28, 28)", "'y' has 1,000,000,000,000 bytes"),
        ("(-3, 28, 28)", "(shape (-3, 28, 28))"),
        ("(" + "1, " * 9000 + ")", "Header"),
    ],
)
def test_arrays_whose_header_lies(tmp_path, shape, message):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name, size in {"x": shape, "y": shape.split(" ")[0] + ")"}.items():
            header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {size}, }}\n".encode()
            archive.writestr(
                f"{name}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(784)
            )
    assert message in read_error(tmp_path / "x.npz")


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"img_0.5.txt": b"a", "img_0.5.cls": b"1"}, "the key of a sample ends at the first dot of its name"),
        ({"a.wav": b"a", "a.cls": b"1"}, "no sample has a member of ['txt']; such as x.tar/a with ['a.wav', 'a.cls']"),
        ({"a.txt": b"a", "a.json": b"{"}, "x.tar/a.json: is no JSON object"),
        ({"a.txt": b"a", "a.json": b'{"label": [1]}'}, "x.tar/a.json: its label is no text or number"),
    ],
)
def test_malformed_samples(tmp_path, members, message):
    assert message in read_error(write_tar(tmp_path / "x.tar", members))


def test_truncated_shard_and_shard_with_a_link(tmp_path):
    path = write_tar(tmp_path / "x.tar", {f"{index}.{name}": b"abc" for index in range(9) for name in ("txt", "cls")})
    content = path.read_bytes()
    for size in (0, 700, 5000):
        assert "x.tar: " in read_error(put(tmp_path, content[:size], "x.tar"))
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("a.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert "'a.txt' is a symbolic link" in read_error(path)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (None, "ingest.query: null, but x.db has the tables ['orders', 'people']; give the name of one"),
        (
            "order",
            "ingest.query: x.db has no table 'order'; choose one of ['orders', 'people'] (did you mean 'orders'?)",
        ),
        ("SELECT * FROM absent", "x.db: no such table: absent"),
        ("SELEC a", "x.db: near "),
        ("SELECT 1; SELECT 2", "x.db: You can only execute one statement at a time"),
        ("DELETE FROM people", "x.db: not authorized"),
        ("ATTACH 'new.db' AS other", "x.db: not authorized"),
        ("SELECT load_extension('x.so')", "x.db: "),
        ("SELECT a, a FROM people", "x.db: several columns are named ['a']"),
        ("SELECT picture, a FROM people", "x.db: row 0: column 'picture' contains bytes"),
    ],
)
def test_queries_that_sqlite_refuses(tmp_path, monkeypatch, query, message):
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("x.db") as connection:
        connection.execute("CREATE TABLE people (a, picture)")
        connection.execute("CREATE TABLE orders (b)")
        connection.executemany("INSERT INTO people VALUES (?, ?)", [(index, b"x") for index in range(9)])
    connection.close()
    assert message in read_error(tmp_path / "x.db", (DataError, ConfigError), query=query, target="a")
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "file system operations are disabled by configuration"),
        ("SELECT * FROM 'https://example.org/x.csv'", "file system operations are disabled by configuration"),
        ("COPY data TO 'x.csv'", "file system operations are disabled by configuration"),
        ("ATTACH 'new.duckdb' AS other", "file system operations are disabled by configuration"),
        ("SET enable_external_access = true", "the configuration has been locked"),
        ("INSTALL httpfs", "x.duckdb: "),
        ("DROP TABLE data", "attached in read-only mode"),
        ("SELECT * FROM absent", "Table with name absent does not exist"),
    ],
)
def test_queries_that_duckdb_refuses(tmp_path, monkeypatch, query, message):
    monkeypatch.chdir(tmp_path)
    TABLE_WRITERS["x.duckdb"](tmp_path / "x.duckdb", ROWS)
    assert message in read_error(tmp_path / "x.duckdb", (DataError, ConfigError), query=query)
    assert [path.name for path in tmp_path.iterdir()] == ["x.duckdb"]


def test_keys_of_json_that_appear_late_are_named(tmp_path):
    rows = [{"a": 1, "label": "p"}] * 20_001 + [{"z": 1}]
    message = read_error(put(tmp_path, json.dumps(rows), "x.json"), target="label", columns={"a": "numeric"})
    assert "row 20001: 'z' is a key that none of the first 20000 rows has" in message
