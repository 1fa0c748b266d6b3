import gzip
import json
import logging
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from headrace.contracts import Column
from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.table.reading import reader
from headrace.data.table.reading.reader import read_table_files
from headrace.errors import ConfigError, DataError

ROWS = [
    (str(number), f"{number / 7:.3f}", ["red", "blue"][number % 2], ["yes", "no"][number // 3 % 2])
    for number in range(60)
]
NAMES = ("id", "size", "color", "outcome")
ADULT = (
    "age workclass fnlwgt education education_num marital_status occupation relationship race sex capital_gain "
    "capital_loss hours_per_week native_country income"
)
needs_real_tables = pytest.mark.skipif(
    "HEADRACE_BENCH_DATA" not in os.environ, reason="HEADRACE_BENCH_DATA is not set: no real tables"
)


def opened(path: Path, **options: object) -> tuple[object, pa.Table]:
    source = read_table_files(path, ReadOptions(source=path.name, **options))
    return source.spec, pa.Table.from_batches(source.batches, source.schema)


def text(rows: list[tuple[str, ...]] = ROWS, *, header: bool = True, delimiter: str = ",") -> str:
    return "".join(delimiter.join(row) + "\n" for row in ([NAMES] if header else []) + rows)


def test_csv_file(tmp_path):
    (tmp_path / "x.csv").write_text(text())
    spec, table = opened(tmp_path / "x.csv")
    assert (spec.modality, spec.task, spec.target, spec.format) == ("table", "classification", "outcome", "table")
    assert spec.columns == [
        Column(name="id", kind="numeric"),
        Column(name="size", kind="numeric"),
        Column(name="color", kind="categorical"),
    ]
    assert table.schema.names == ["row_id", "label", "split", "source", "id", "size", "color"]
    assert [(r["id"], r["size"], r["color"], r["label"], r["split"]) for r in table.to_pylist()] == [
        (*row, None) for row in ROWS
    ]


def test_every_format_gives_identical_rows(tmp_path):
    (tmp_path / "x.csv").write_text(text())
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(text().encode()))
    (tmp_path / "x.tsv").write_bytes(text(delimiter="\t").replace("\n", "\r\n").encode("utf-16"))
    objects = [{"id": int(a), "size": b, "color": c, "outcome": d} for a, b, c, d in ROWS]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, objects)))
    pq.write_table(pa.Table.from_pylist(objects), tmp_path / "x.parquet")
    specs, tables = zip(*(opened(path) for path in sorted(tmp_path.iterdir())), strict=True)
    assert len(tables) == 5
    sources = [table["source"].to_pylist()[:2] for table in tables]
    assert sources == [
        ["x.csv:2", "x.csv:3"], ["x.csv.gz:2", "x.csv.gz:3"], ["x.jsonl:1", "x.jsonl:2"],
        ["x.parquet[0]", "x.parquet[1]"], ["x.tsv:2", "x.tsv:3"],
    ]  # fmt: skip
    tables = [table.drop_columns("source") for table in tables]
    assert all(table.equals(tables[0]) for table in tables)
    described = {"source": "", "assumptions": []}  # only delimited text has a delimiter
    assert len({spec.model_copy(update=described).model_dump_json() for spec in specs}) == 1


def test_shards_may_order_their_columns_differently(tmp_path):
    (tmp_path / "1.csv").write_text(text(ROWS[:20]))
    (tmp_path / "2.csv").write_text(
        "outcome,color,size,id\n" + "".join(",".join(row[::-1]) + "\n" for row in ROWS[20:])
    )
    _, table = opened(tmp_path)
    assert [(r["id"], r["size"], r["color"], r["label"]) for r in table.to_pylist()] == ROWS
    assert opened(tmp_path / "[12].csv")[1].equals(table)


def test_shards_without_header_and_official_splits(tmp_path):
    (tmp_path / "s.data").write_text(text(ROWS[:40], header=False))
    (tmp_path / "s.test").write_text(
        "|junk\n" + text(ROWS[40:], header=False).replace("yes", "yes.").replace("no", "no.")
    )
    spec, table = opened(tmp_path)
    assert spec.target == "column_3"
    assert table["split"].to_pylist() == ["train"] * 40 + ["test"] * 20
    assert table["label"].to_pylist() == [row[3] for row in ROWS]
    named, _ = opened(tmp_path, table=TableFormat(names=list(NAMES)))
    assert [column.name for column in named.columns] == list(NAMES[:3])


def test_skipped_lines_and_changed_labels_are_logged_once(tmp_path, caplog):
    (tmp_path / "s.data").write_text(text(ROWS[:40], header=False))
    (tmp_path / "s.test").write_text(
        "|junk\n" + text(ROWS[40:], header=False).replace("yes", "yes.").replace("no", "no.")
    )
    with caplog.at_level(logging.WARNING):
        opened(tmp_path)
    assert len(caplog.messages) == 2
    assert "labels of test rows end in a full stop" in caplog.messages[0]
    assert "s.test: skipped line 1, which is not a row: '|junk'" in caplog.messages[1]


def test_json_lines_files_may_lack_keys(tmp_path):
    (tmp_path / "1.jsonl").write_text('{"a": 1, "label": "x"}\n{"a": 2, "label": "z"}\n')
    (tmp_path / "2.jsonl").write_text('{"b": 3.5, "label": "x"}\n')
    _, table = opened(tmp_path)
    assert table.select(["a", "b", "label"]).to_pylist() == [
        {"a": "1", "b": None, "label": "x"}, {"a": "2", "b": None, "label": "z"}, {"a": None, "b": "3.5", "label": "x"},
    ]  # fmt: skip


def test_missing_cells_and_labels_are_null(tmp_path):
    (tmp_path / "x.csv").write_text("a,b,label\n1,?,x\n,q,\nNA,q,z\n4,-,x\n")
    _, table = opened(tmp_path / "x.csv")
    assert [table[name].null_count for name in ("a", "b", "label")] == [2, 1, 1]
    spec, table = opened(tmp_path / "x.csv", table=TableFormat(missing=["-"]))
    assert spec.missing == ["-"]
    assert [table[name].null_count for name in ("a", "b", "label")] == [0, 1, 0]


def test_regression_labels_are_unparsed_text(tmp_path):
    (tmp_path / "x.csv").write_text("a,y\n" + "".join(f"{n},{n / 3!r}\n" for n in range(50)) + "50,inf\n51,x\n")
    spec, table = opened(tmp_path / "x.csv")
    assert spec.task == "regression"
    assert table["label"].to_pylist()[-3:] == [repr(49 / 3), "inf", "x"]


def test_ignored_columns_stay_in_the_rows(tmp_path):
    (tmp_path / "x.csv").write_text(text())
    spec, table = opened(tmp_path / "x.csv", columns={"id": "ignore", "size": "categorical"})
    assert [(column.name, column.kind) for column in spec.columns] == [
        ("size", "categorical"),
        ("color", "categorical"),
    ]
    assert "id" in table.schema.names
    assert spec.other_columns == ["id", "outcome"]


def test_reserved_names_are_changed_in_the_rows_only(tmp_path):
    (tmp_path / "x.csv").write_text("check,split,label\n1,2,a\n3,4,b\n5,6,a\n")
    spec, table = opened(tmp_path / "x.csv")
    assert [column.name for column in spec.columns] == ["check", "split"]
    assert table["split_"].to_pylist() == ["2", "4", "6"]


def test_first_rows_come_from_many_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "HEAD_FILES", 3)
    for index in range(9):  # one class per file, as in exports by class
        (tmp_path / f"{index}.csv").write_text("a,class\n" + f"1,{'xyz'[index // 3]}\n" * 5)
    spec, table = opened(tmp_path)
    assert (spec.task, table.num_rows) == ("classification", 45)


def test_rows_are_streamed(tmp_path):
    (tmp_path / "1.csv").write_text(text())
    (tmp_path / "2.csv").write_text(text(ROWS * 1000) + "1,2,3\n")
    batches = read_table_files(tmp_path, ReadOptions(source="s")).batches
    assert next(batches).num_rows == 60
    assert next(batches).num_rows == 1024
    with pytest.raises(DataError, match=r"2.csv: line 60002: has 3 cells"):
        list(batches)


def test_table_settings_are_applied(tmp_path):
    (tmp_path / "x.csv").write_bytes("stra\u00dfe;y\n\u00e4;1\n\u00fc;0\n".encode("cp1252"))
    options = TableFormat(encoding="cp1252", delimiter=";", header=False)
    _, table = opened(tmp_path / "x.csv", table=options, target="column_1")
    assert table["column_0"].to_pylist() == ["stra\u00dfe", "\u00e4", "\u00fc"]
    with pytest.raises(ConfigError, match=r"ingest.table.delimiter: '\|' occurs in no line of"):
        opened(tmp_path / "x.csv", table=TableFormat(encoding="cp1252", delimiter="|"))


def opened_real(name, **options):
    return opened(Path(os.environ["HEADRACE_BENCH_DATA"], name), **options)


def counts(column):
    return {item["values"]: item["counts"] for item in column.value_counts().to_pylist()}


def missing(table):
    return {name: table[name].null_count for name in table.schema.names if table[name].null_count}


@needs_real_tables
def test_adult_has_its_published_counts():
    spec, table = opened_real("tabular/adult", table=TableFormat(names=ADULT.split()))
    assert (spec.modality, spec.task, spec.target) == ("table", "classification", "income")
    kinds = {column.name: column.kind for column in spec.columns}
    assert [name for name, kind in kinds.items() if kind == "numeric"] == [
        "age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week",
    ]  # fmt: skip
    assert set(kinds.values()) == {"numeric", "categorical"}
    assert counts(table["split"]) == {"train": 32_561, "test": 16_281}
    assert counts(table["label"]) == {"<=50K": 37_155, ">50K": 11_687}
    train = table.filter(pc.equal(table["split"], "train"))
    assert missing(train) == {"workclass": 1836, "occupation": 1843, "native_country": 583}
    assert len(table["row_id"].unique()) == 48_842


@needs_real_tables
def test_titanic_has_its_published_counts():
    spec, table = opened_real("tabular/titanic/titanic.csv")
    assert (spec.modality, spec.task, spec.target, table.num_rows) == ("table", "classification", "Survived", 891)
    assert missing(table) == {"split": 891, "Age": 177, "Cabin": 687, "Embarked": 2}
    assert counts(table["label"]) == {"0": 549, "1": 342}


@needs_real_tables
def test_sms_spam_has_its_published_counts():
    spec, table = opened_real("text/sms_spam.tsv")
    assert (spec.modality, spec.task, spec.target) == ("text", "classification", "column_0")
    assert counts(table["label"]) == {"ham": 4827, "spam": 747}
    assert missing(table) == {"split": 5574}
    assert pc.sum(pc.count_substring(table["column_1"], '"')).as_py() > 0  # stray quotes are part of the text


@needs_real_tables
def test_sst2_has_its_published_counts():
    spec, table = opened_real("text/sst2")
    assert (spec.modality, spec.task, spec.target) == ("text", "classification", "column_1")
    assert counts(table["split"]) == {"train": 6920, "val": 872, "test": 1821}
    assert missing(table) == {}
