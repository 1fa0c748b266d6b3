import shutil
import sqlite3
import sys
import uuid

import pytest

from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.databases import open_database
from headrace.errors import ConfigError
from tests.table_files import make_rows, write_duckdb, write_sqlite

ROWS = make_rows(30)


def read(path, **options):
    opened = open_database(path, ReadOptions(**options), None)
    return [row for rows in opened.batches for row in rows.cells.to_pylist()]


@pytest.mark.parametrize("write", [write_sqlite, write_duckdb])
@pytest.mark.parametrize(
    "query", [None, "data", "SELECT * FROM data", "WITH x AS (SELECT * FROM data) SELECT * FROM x"]
)
def test_a_table_by_its_name_or_a_query(tmp_path, write, query):
    write(tmp_path / "x.db", ROWS)
    rows = read(tmp_path / "x.db", query=query)
    assert [row["id"] for row in rows] == [str(row["id"]) for row in ROWS]
    assert [row["size"] for row in rows[3:5]] == ["0.429", None]


@pytest.mark.parametrize("write", [write_sqlite, write_duckdb])
def test_a_query_chooses_columns_and_rows(tmp_path, write):
    write(tmp_path / "x.db", ROWS)
    assert read(
        tmp_path / "x.db", query="SELECT color AS c, id * 2 AS i FROM data WHERE id > 1027 ORDER BY id DESC"
    ) == [{"c": row["color"], "i": str(2 * row["id"])} for row in reversed(ROWS[28:])]


def test_a_table_whose_name_is_a_word_of_sql(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute('CREATE TABLE "my order" (a, b)')
        connection.execute('INSERT INTO "my order" VALUES (1, 2.0)')
        connection.execute("CREATE TABLE other (a)")
    connection.close()
    assert read(tmp_path / "x.db", query="my order") == [{"a": "1", "b": "2"}]


def test_bytes_in_an_ignored_column_are_left_out(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE data (a, b)")
        connection.execute("INSERT INTO data VALUES (1, ?)", [b"x"])
    connection.close()
    assert read(tmp_path / "x.db", columns={"b": "ignore"}) == [{"a": "1", "b": None}]


def test_changes_that_are_not_in_the_file_yet_are_read_and_reported(tmp_path):
    (tmp_path / "live").mkdir()
    connection = sqlite3.connect(tmp_path / "live" / "x.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE data (a)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("INSERT INTO data VALUES (1)")
    connection.commit()
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    connection.close()
    opened = open_database(tmp_path / "copy" / "x.db", ReadOptions(), None)
    assert [row for rows in opened.batches for row in rows.cells.to_pylist()] == [{"a": "1"}]
    (assumption,) = opened.assumptions
    assert assumption.text == "changes in x.db-wal are read too, but DVC notices only those in x.db"


def test_reading_creates_no_file_beside_a_database(tmp_path):
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE data (a)")
    connection.execute("INSERT INTO data VALUES (1)")
    connection.commit()
    connection.close()
    assert read(tmp_path / "x.db") == [{"a": "1"}]
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_types_of_duckdb(tmp_path):
    import duckdb

    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute(
            f"CREATE TABLE data AS SELECT UUID '{uuid.UUID(int=7)}' AS u, 1.50::DECIMAL(9, 2) AS d, TIME '03:04:05'"
            " AS t, 'a'::ENUM ('a', 'b') AS e, true AS b, 170141183460469231731687303715884105727::HUGEINT AS h"
        )
    (row,) = read(tmp_path / "x.duckdb")
    assert (row["u"], row["d"], row["t"], row["e"], row["b"]) == (
        "00000000-0000-0000-0000-000000000007", "1.50", "03:04:05.000000", "a", "true",
    )  # fmt: skip


def test_duckdb_is_an_extra(tmp_path, monkeypatch):
    write_duckdb(tmp_path / "x.duckdb", ROWS)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigError, match=r"needs another package; pip install 'headrace\[duckdb\]', or export"):
        read(tmp_path / "x.duckdb")
