"""Malformed tables raise one line that says where, what, and what to do."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.data.readers import read_tabular
from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.errors import ConfigError, DataError

GOOD = "a,b,label\n" + "".join(f"{n},{n * n},{'pq'[n % 2]}\n" for n in range(20))


def read_error(path: Path, kind: type[Exception] = DataError, **options: object) -> str:
    """The message that opening a source, or reading its rows, raises."""
    with pytest.raises(kind) as error:
        list(read_tabular(path, ReadOptions(source=path.name, **options)).batches)
    line = str(error.value)
    assert "\n" not in line
    assert ": " in line
    assert ";" in line  # what to do
    return line


def put(tmp_path: Path, content: str | bytes, name: str = "x.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "x.csv: is empty"),
        ("\n \n\r\n", "x.csv: is empty"),
        ("\ufeff", "x.csv: is empty"),
        ("a,b,label\n", "x.csv: has columns ['a', 'b', 'label'], but no rows"),
        (GOOD + "1,2\n", "x.csv: line 22: has 2 cells, the table has 3 columns"),
        (GOOD + "1,2,3,4\n", "x.csv: line 22: has 4 cells, the table has 3 columns"),
        (GOOD.replace("a,b", "a,a", 1), "x.csv: several columns are named ['a']"),
        (GOOD.replace("a,b", "label,b", 1), "x.csv: several columns are named ['label']"),
        (GOOD + "1,\0,p\n", "x.csv: line 22: contains a zero byte"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 20, "x.csv: line "),
        (
            GOOD.encode() * 3 + "\u00e9t\u00e9,1,p\n".encode() * 9 + b"\xe9t\xe9,1,p\n",
            "byte 0xe9 cannot be decoded as utf-8",
        ),
        (GOOD + "1," * 50_000 + "p\n", "x.csv: line 22: has 50001 cells"),
    ],
)
def test_malformed_text_table(tmp_path, content, message):
    assert message in read_error(put(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + '1,"2,p\n3,4,q\n', "x.csv: line 22: a quote opens that does not close"),
        (GOOD + '1,2,"p\n3,4,q\n', "x.csv: line 22: a quote opens that does not close"),
        (GOOD + '"' + "1,2,p\n" * 400_000, "x.csv: line 22: a quote opens that does not close"),
    ],
)
def test_unclosed_quote(tmp_path, content, message):
    assert message in read_error(put(tmp_path, content), table=TableFormat(quoting=True, delimiter=","))


def test_wrong_delimiter_setting(tmp_path):
    message = read_error(put(tmp_path, GOOD), ConfigError, table=TableFormat(delimiter=";"))
    assert "params.yaml: ingest.table.delimiter: ';' occurs in no line of " in message


def test_wrong_number_of_names(tmp_path):
    message = read_error(put(tmp_path, "1,2,p\n3,4,q\n"), ConfigError, table=TableFormat(names=["a", "b"]))
    assert "ingest.table.names: got 2 names, but " in message
    assert "x.csv has 3 columns" in message


def test_duplicate_names_setting(tmp_path):
    message = read_error(put(tmp_path, "1,2,p\n3,4,q\n"), table=TableFormat(names=["a", "a", "b"]))
    assert "several columns are named ['a']" in message


def test_skip_lines_beyond_the_end(tmp_path):
    assert "x.csv: is empty" in read_error(put(tmp_path, GOOD), table=TableFormat(skip_lines=99))


def test_unknown_encoding(tmp_path):
    message = read_error(put(tmp_path, GOOD), ConfigError, table=TableFormat(encoding="utf-9"))
    assert "ingest.table.encoding: 'utf-9' is not a text encoding" in message


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("ascii", "\u00e9t\u00e9"),
        ("utf-16", "odd"),
        ("utf-8", b"\xff\xfe\xfa"),
        ("utf-16", b"\xff\xfe\x00\xd8\x00"),
    ],
)
def test_wrong_encoding_setting(tmp_path, encoding, content):
    message = read_error(put(tmp_path, content), (DataError, ConfigError), table=TableFormat(encoding=encoding))
    assert "x.csv" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1, "label": "p"}\n{"a": 2, "label"\n', "x.jsonl: line 2: invalid JSON"),
        ('{"a": 1, "label": "p"}\n{"a": {"b": 2}, "label": "q"}\n', "x.jsonl: line 2: 'a' is a JSON object"),
        ('{"a": [1, 2], "label": "p"}\n', "x.jsonl: line 1: 'a' is a JSON array"),
        ('{"a": 1, "label": "p"}\n[{"a": 1, "label": "p"}]\n', "x.jsonl: line 2: contains a JSON array"),
        ('{\n  "a": 1,\n  "label": "p"\n}\n', "x.jsonl: line 1: invalid JSON"),
        ("null\n", "x.jsonl: line 1: contains a JSON null"),
        ("{}\n{}\n", "x.jsonl: is empty"),
        (b'{"a": "\0", "label": "p"}\n', "x.jsonl: line 1: contains a zero byte"),
    ],
)
def test_malformed_json_lines(tmp_path, content, message):
    assert message in read_error(put(tmp_path, content, "x.jsonl"))


def test_truncated_gzip(tmp_path):
    compressed = gzip.compress((GOOD * 500).encode())
    message = read_error(put(tmp_path, compressed[:-100], "x.csv.gz"))
    assert "x.csv.gz: damaged gz (Compressed file ended before the end-of-stream marker was reached)" in message


def test_uncompressed_text_with_compressed_extension(tmp_path):
    for extension in ("gz", "bz2", "xz", "zst"):
        assert f"x.csv.{extension}: " in read_error(put(tmp_path, GOOD, f"x.csv.{extension}"))


def test_truncated_and_invalid_parquet(tmp_path):
    pq.write_table(pa.table({"a": list(range(99)), "label": ["p", "q", "r"] * 33}), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    for damaged in (content[:-5], content[:50], b"", GOOD.encode()):
        assert "x.parquet: not readable as Parquet" in read_error(put(tmp_path, damaged, "x.parquet"))


def test_nested_parquet(tmp_path):
    pq.write_table(pa.table({"a": [[1], [2]], "label": ["p", "q"]}), tmp_path / "x.parquet")
    assert "column 'a' contains list<" in read_error(tmp_path / "x.parquet")


def test_parquet_without_rows_or_columns(tmp_path):
    pq.write_table(
        pa.table({"a": pa.array([], pa.int64()), "label": pa.array([], pa.string())}), tmp_path / "x.parquet"
    )
    assert "has columns ['a', 'label'], but no rows" in read_error(tmp_path / "x.parquet")
    pq.write_table(pa.table({}), tmp_path / "x.parquet")
    assert "x.parquet: has no columns" in read_error(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            GOOD.replace("b,label", "c,label", 1),
            "2.csv: is not a shard of the same table as the files before it: columns ['b'] are missing",
        ),
        (GOOD.partition("\n")[2], "2.csv: is not a shard of the same table"),  # without the header
        ("a,label\n1,p\n", "2.csv: is not a shard of the same table"),
        (GOOD.replace(",", ";"), "2.csv: is not a shard of the same table"),
        (GOOD.replace("a,b", "a,a", 1), "2.csv: is not a shard of the same table"),
        (GOOD + "1\n", "2.csv: line 22: has 1 cells"),
        ("\n", "2.csv: is empty"),
    ],
)
def test_shards_that_differ(tmp_path, second, message):
    put(tmp_path, GOOD, "1.csv")
    put(tmp_path, second, "2.csv")
    assert message in read_error(tmp_path)


def test_folder_without_table(tmp_path):
    (tmp_path / "x.csv").mkdir()
    assert "'x.csv': contains no table; tables end in" in read_error(tmp_path / "x.csv")
    assert "no such file, and no file matches it as a glob" in read_error(tmp_path / "*.parquet")
    assert "no such file, and no file matches it as a glob" in read_error(tmp_path / "gone.csv")


def test_folder_with_several_formats(tmp_path):
    put(tmp_path, GOOD)
    put(tmp_path, '{"a": 1}', "x.jsonl")
    assert "contains tables in several formats, ['csv', 'jsonl']" in read_error(tmp_path)


def test_missing_or_ambiguous_target(tmp_path):
    path = put(tmp_path, GOOD.replace("label", "kind", 1) + "1,1,r\n" * 30)
    assert "no column 'labl'; choose one of ['a', 'b', 'kind']" in read_error(path, ConfigError, target="labl")
    path = put(tmp_path, "a,b,c\n" + "1.5,x,p\n2.5,y,q\n" * 9)
    assert "no column name shows which column is the target; choose one of ['a', 'b', 'c']" in read_error(
        path, ConfigError
    )


def test_target_without_values(tmp_path):
    assert "column 'label' has no value in the first 9 rows" in read_error(put(tmp_path, "a,label\n" + "1,?\n" * 9))


def test_regression_on_text_target(tmp_path):
    message = read_error(put(tmp_path, GOOD), ConfigError, task="regression")
    assert (
        "ingest.task: 'regression' requires a numeric target; column 'label' contains categorical values such as"
        in message
    )


def test_split_column_with_unknown_values(tmp_path):
    path = put(tmp_path, "a,part,label\n1,train,p\n2,fold2,q\n")
    assert "ingest.split_column: column 'part' contains 'fold2'" in read_error(
        path, split_column="part", target="label"
    )
    assert "ingest.split_column: no column 'parts'" in read_error(path, ConfigError, split_column="parts")


def test_columns_setting_with_unknown_column(tmp_path):
    message = read_error(put(tmp_path, GOOD), ConfigError, columns={"B": "numeric"})
    assert "ingest.columns.B: no such column; choose one of ['a', 'b', 'label']" in message


def test_table_with_one_column(tmp_path):
    message = read_error(put(tmp_path, "word\n" + "one\ntwo\n" * 9), ConfigError)
    assert "an input and a target are needed" in message


def test_invalid_regression_labels_are_passed_to_the_next_stage(tmp_path):
    path = put(tmp_path, "a,y\n" + "".join(f"{n},{n / 3}\n" for n in range(60)) + "60,inf\n61,-inf\n62,nan\n")
    opened = read_tabular(path, ReadOptions(source="x"))
    assert opened.spec.task == "regression"
    assert [row for batch in opened.batches for row in batch["label"].to_pylist()][-3:] == ["inf", "-inf", None]


def test_every_truncation_is_read_or_raises_one_line(tmp_path):
    """A download may stop at any byte."""
    content = (GOOD + '20,"x, ""y""",p\n').encode()
    lines = []
    for size in range(0, len(content), 3):
        path = put(tmp_path, content[:size])
        try:
            list(read_tabular(path, ReadOptions(source="x")).batches)
        except (DataError, ConfigError) as error:
            lines.append(str(error))
    assert 0 < len(lines) < len(content) / 3
    assert not any("\n" in line for line in lines)
