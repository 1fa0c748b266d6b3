"""Tables whose files a log lists: Delta Lake is read at its current version, Iceberg and Hudi are refused.

Their folders hold deleted and overwritten rows too, so that reading all files would be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa

from headrace.contracts import Assumption
from headrace.errors import DataError

EXPORT = {
    "Delta Lake": "spark.read.format('delta').load(FOLDER).write.parquet('export')",
    "Iceberg": "pyiceberg's table.scan().to_arrow(), written as Parquet",
    "Hudi": "spark.read.format('hudi').load(FOLDER).write.parquet('export')",
}
"""Kind of table -> the way to write its current rows."""
DELTA = "Delta Lake"


class LakeFile(NamedTuple):
    """A current file of a table."""

    path: Path
    cells: dict[str, str | None]
    """The cells of its rows in columns that the file does not have: partitions, and columns added later."""


class LakeTable(NamedTuple):
    """A table at its current version."""

    files: list[LakeFile]
    assumptions: list[Assumption]


def find_lake_kind(folder: Path) -> str | None:
    """The kind of the table that a folder is, or None."""
    if (folder / "_delta_log").is_dir():
        return DELTA
    if (folder / ".hoodie").is_dir():
        return "Hudi"
    return "Iceberg" if any((folder / "metadata").glob("*.metadata.json")) else None


def refuse_lakes(paths: Iterable[Path], top: Path, where: str) -> None:
    """Raises DataError if one of the files, all below `top`, is part of a table whose log lists its files."""
    folders = {path.parent for path in paths}
    folders |= {above for folder in folders for above in folder.parents if above.is_relative_to(top)}
    outer = top
    while "=" in outer.name or outer.name == "data":  # the source may begin below the folder with the log
        outer = outer.parent
        folders.add(outer)
    for folder in sorted(folders):
        kind = find_lake_kind(folder)
        if kind == DELTA:
            raise DataError(
                f"{where}: {folder} is a {kind} table, whose files hold deleted rows too; give that folder as"
                " ingest.source"
            )
        if kind:
            raise DataError(
                f"{where}: {folder} is a table of Apache {kind}, which is not supported; export its current rows:"
                f" {EXPORT[kind]}; then give that folder"
            )


def open_delta(folder: Path, where: str) -> LakeTable:
    """The files of a Delta Lake table at its current version.

    Raises DataError if the client is not installed, or the table is damaged or needs what plain files cannot give.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise DataError(
            f"{where}: a Delta Lake table, which requires a client that is not installed; install headrace[delta], or"
            f" export its current rows: {EXPORT[DELTA]}"
        ) from None
    try:
        table = DeltaTable(str(folder))
        _check_features(table, where)
        actions = pa.table(table.get_add_actions(flatten=True))
        names = pa.schema(table.schema().to_arrow()).names
    except DeltaError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{where}: not readable as a Delta Lake table ({reason}); copy it again, as a whole") from None
    files = [_to_file(folder, row, names, where) for row in actions.to_pylist()]
    if not files:
        raise DataError(f"{where}: a Delta Lake table without rows at its current version; give one that has rows")
    text = f"a Delta Lake table, read at version {table.version()} ({len(files):,} files)"
    setting = "ingest.source: a copy at another version"
    remark = Assumption(stage="ingest", subject="source", text=text, setting=setting)
    return LakeTable(sorted(files, key=lambda file: file.path), [remark])


def _check_features(table: Any, where: str) -> None:
    """Raises DataError for a table whose files cannot be read alone."""
    protocol, configuration = table.protocol(), table.metadata().configuration
    features = set(protocol.reader_features or ())
    problem = ""
    if configuration.get("delta.columnMapping.mode", "none") != "none":
        problem = "its files have other names of columns (columnMapping)"
    elif "deletionVectors" in features and _has_deletion_vectors(table):
        problem = "its files hold deleted rows (deletionVectors); REORG TABLE ... APPLY (PURGE) removes them"
    if problem:
        raise DataError(f"{where}: a Delta Lake table, but {problem}; or export its current rows: {EXPORT[DELTA]}")


def _has_deletion_vectors(table: Any) -> bool:
    try:
        reader = pa.RecordBatchReader.from_stream(table.deletion_vectors())
    except AttributeError:  # of deltalake before 1.3
        return True
    return any(batch.num_rows for batch in reader)


def _to_file(folder: Path, action: dict[str, Any], names: list[str], where: str) -> LakeFile:
    name = unquote(str(action["path"]))
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{where}: its file {name[:80]!r} is outside its folder (a shallow clone); make a deep clone")
    cells: dict[str, str | None] = dict.fromkeys(names)
    for key, value in action.items():
        if key.startswith("partition.") and value is not None:
            cells[key.removeprefix("partition.")] = pa.scalar(value).cast(pa.string()).as_py()
    return LakeFile(path, cells)
