"""One file of a table, opened: its columns, and its rows as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from headrace.data.sources.read_options import TableFormat
from headrace.errors import DataError


class OpenTableFile(NamedTuple):
    """A file that has been looked into."""

    names: list[str]
    batches: Iterator[pa.RecordBatch]
    """String columns, `names` in their order; null only where the format tells that there is no value."""
    table: TableFormat
    """The settings with what was found out, for the other files of the table."""
    note: str = ""
    """What the reader of the file should tell the user, once."""


def check_names(path: Path, names: Sequence[str]) -> None:
    """Raises DataError for columns of the same name."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(f"{path}: several columns are named {twice[:5]}; each needs a name of its own; rename them")


def check_same(path: Path, names: Sequence[str], expected: Sequence[str]) -> None:
    """Raises DataError where a file has not the columns of the first one; their order does not matter."""
    if len(names) == len(expected) and set(names) == set(expected):
        return
    missing, more = [n for n in expected if n not in names], [n for n in names if n not in expected]
    raise DataError(
        f"{path}: is no shard of one table with the files before it: lacks columns {missing[:5]}, has {more[:5]} beside"
        " theirs; give a glob that leaves it out, or mend its header"
    )
