"""Reads one table, or the rows of one query, from a file of SQLite or DuckDB, which it cannot change.

A query reads the tables of its own file and nothing else: no other file, no network, no extension.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from headrace.contracts import Assumption
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.formats.arrow_cells import describe_columns, read_rows
from headrace.data.table.reading.formats.cell_text import batch_values, format_scalar
from headrace.data.table.reading.table_file import (
    FileRows,
    OpenTableFile,
    check_same_columns,
    check_uncompressed,
    check_unique_names,
)
from headrace.errors import ConfigError, DataError, choices

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQLITE_MAGIC, SQLITE_HEADER_BYTES = b"SQLite format 3\0", 100
DUCKDB_MAGIC, DUCKDB_MAGIC_START = b"DUCK", 8
DUCKDB_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "lock_configuration": "true",
}
SQLITE_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
"""What a query may do; ATTACH, which creates files, is not among it."""
ROWS_PER_BATCH = 8192
MAX_LISTED = 20


def open_database(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Opens the table or query of the settings, or the only table; raises ConfigError if there are several."""
    check_uncompressed(path, "database")
    with path.open("rb") as file:
        head = file.read(len(SQLITE_MAGIC))
    if head == SQLITE_MAGIC:
        _check_complete(path)
        return _open_sqlite(path, options, expected)
    if head[DUCKDB_MAGIC_START:].startswith(DUCKDB_MAGIC):
        return _open_duckdb(path, options, expected)
    got = "is no database of SQLite or DuckDB" if head else "is empty"
    raise DataError(f"{path}: {got}; export the table as Parquet or CSV")


def _choose_query(path: Path, tables: Mapping[str, str], wanted: str | None) -> str:
    """The query of the settings, which may be the name of a table; `tables`: name -> the name in SQL."""
    if wanted is not None and wanted not in tables:
        if len(wanted.split()) > 1:
            return wanted
        raise ConfigError(
            f"params.yaml: ingest.query: {path.name} has no table {wanted!r}; {choices(wanted, tables)}, or give a"
            " query"
        )
    if not tables:
        raise DataError(f"{path}: has no tables; give a database that has one")
    names = list(tables)
    if wanted is None and len(names) > 1:
        more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
        raise ConfigError(
            f"params.yaml: ingest.query: null, but {path.name} has the tables {names[:MAX_LISTED]}{more}; give the name"
            f" of one, or a query such as {_select_all(tables[names[0]])}"
        )
    return _select_all(tables[names[0] if wanted is None else wanted])


def _select_all(quoted_name: str) -> str:
    return f"SELECT * FROM {quoted_name}"  # noqa: S608 - quoted below


def _quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check_complete(path: Path) -> None:
    """Raises DataError for a truncated file: SQLite takes missing bytes of its last page for zeros."""
    with path.open("rb") as file:
        header = file.read(SQLITE_HEADER_BYTES)
    if len(header) < SQLITE_HEADER_BYTES:
        raise DataError(f"{path}: ends within its header; get the database again")
    (page_bytes,), (changes, num_pages), (valid_for,) = (
        struct.unpack_from(form, header, start) for form, start in ((">H", 16), (">II", 24), (">I", 92))
    )
    expected = num_pages * (65536 if page_bytes == 1 else page_bytes)  # https://www.sqlite.org/fileformat.html
    if changes == valid_for and path.stat().st_size < expected and _find_log(path) is None:
        raise DataError(f"{path}: has {path.stat().st_size:,} of {expected:,} bytes; get the database again")


def _open_sqlite(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    with translate_database_errors(path, sqlite3.Error), closing(_connect_sqlite(path)) as connection:
        found = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
        query = _choose_query(path, {name: _quote_name(name) for (name,) in found}, options.query)
        connection.set_authorizer(_authorize)
        names = [name for name, *_ in connection.execute(query).description or ()]
    if not names:
        raise ConfigError(
            f"params.yaml: ingest.query: {options.query!r} returns no rows; give a query such as SELECT ..."
        )
    check_unique_names(path, names)
    if expected is not None:
        check_same_columns(path, names, expected)
    rows = _read_sqlite(path, query, names, options)
    return OpenTableFile(names, rows, options.table, "index", assumptions=_assume_log(path))


def _authorize(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in SQLITE_READS else sqlite3.SQLITE_DENY


def _connect_sqlite(path: Path) -> sqlite3.Connection:
    # immutable: without it, even a reader creates files beside a database that has a write-ahead log
    mode = "mode=ro" if _find_log(path) else "mode=ro&immutable=1"
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True)


def _find_log(path: Path) -> Path | None:
    """The file of changes that are not in the database yet."""
    logs = (path.with_name(path.name + ending) for ending in ("-wal", "-journal"))
    return next((log for log in logs if log.is_file() and log.stat().st_size), None)


def _assume_log(path: Path) -> list[Assumption]:
    log = _find_log(path)
    if log is None:
        return []
    text = f"changes in {log.name} are read too, but DVC notices only those in {path.name}"
    setting = f"none: run PRAGMA wal_checkpoint(TRUNCATE) in {path.name}, or close the programs that use it"
    return [Assumption(stage="ingest", subject="database", text=text, setting=setting, is_warning=True)]


def _read_sqlite(path: Path, query: str, names: list[str], options: ReadOptions) -> Iterator[FileRows]:
    ignored = {name for name, kind in options.columns.items() if kind == "ignore"}

    def to_cells(index: int, row: Sequence[Any]) -> list[str | None]:
        cells: list[str | None] = []
        for name, value in zip(names, row, strict=True):
            if isinstance(value, bytes) and name not in ignored:
                raise DataError(
                    f"{path}: row {index}: column {name!r} contains bytes; cells must be texts or numbers; leave it out"
                    f" of ingest.query, or set ingest.columns: {{{name}: ignore}}"
                )
            cells.append(None if isinstance(value, bytes) else format_scalar(value))
        return cells

    with translate_database_errors(path, sqlite3.Error), closing(_connect_sqlite(path)) as connection:
        connection.set_authorizer(_authorize)
        yield from batch_values(enumerate(connection.execute(query)), names, to_cells)


def _open_duckdb(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    _check_duckdb(path)
    import duckdb

    with translate_database_errors(path, duckdb.Error), closing(_connect_duckdb(path)) as connection:
        found = connection.sql(
            "SELECT table_schema, table_name FROM information_schema.tables ORDER BY table_schema, table_name"
        ).fetchall()
        tables = {
            name if schema == "main" else f"{schema}.{name}": f"{_quote_name(schema)}.{_quote_name(name)}"
            for schema, name in found
        }
        query = _choose_query(path, tables, options.query)
        schema = _run_duckdb(connection, query, options).schema
    columns = describe_columns(path, schema, options, expected, lambda _: _read_duckdb(path, query, options))
    rows = read_rows(path, "DuckDB", _read_duckdb(path, query, options), columns)
    return OpenTableFile(columns.names, rows, options.table, "index", image_column=columns.image_column)


def _check_duckdb(path: Path) -> None:
    """Raises ConfigError if the package that reads the file is missing."""
    try:
        import duckdb  # noqa: F401
    except ImportError:
        raise ConfigError(
            f"{path}: is a DuckDB database, which needs another package; pip install 'headrace[duckdb]', or export the"
            " table as Parquet"
        ) from None


def _connect_duckdb(path: Path) -> DuckDBPyConnection:
    import duckdb

    return duckdb.connect(str(path), read_only=True, config=DUCKDB_SETTINGS)


def _run_duckdb(connection: DuckDBPyConnection, query: str, options: ReadOptions) -> pa.RecordBatchReader:
    relation = connection.sql(query)
    if relation is None:
        raise ConfigError(
            f"params.yaml: ingest.query: {options.query!r} returns no rows; give a query such as SELECT ..."
        )
    # DuckDB 1 has the second name only
    read = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    return read(ROWS_PER_BATCH)


def _read_duckdb(path: Path, query: str, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    import duckdb

    with translate_database_errors(path, duckdb.Error), closing(_connect_duckdb(path)) as connection:
        yield from _run_duckdb(connection, query, options)


@contextmanager
def translate_database_errors(path: Path, kind: type[Exception]) -> Iterator[None]:
    """Raises DataError for a damaged database, and for a query that it refuses."""
    try:
        yield
    except (kind, sqlite3.Warning) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: {reason}; correct ingest.query, or get the database again") from None
