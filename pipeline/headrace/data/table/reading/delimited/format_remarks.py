"""What was assumed about the format of text tables, as sentences with the setting that changes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from headrace.contracts import Assumption
from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.sources.text_encoding import UTF8, describe_encoding
from headrace.data.table.reading.text_stream import read_beginning

MAX_FILES = 20
"""Files whose encoding is detected, evenly spaced."""


def assume_format(
    paths: Sequence[Path], options: ReadOptions, detected: TableFormat, *, is_delimited: bool
) -> list[Assumption]:
    """Remarks about delimiter and header, about encodings, and about the cells that are missing.

    Args:
        paths: the files of the table.
        options: the settings.
        detected: the format of the first file.
        is_delimited: whether the files are delimited text, not JSON lines.
    """
    assumptions = assume_encodings(paths, options.table.encoding)
    if is_delimited and options.table.delimiter == "auto":
        text, setting = f"cells are separated by {detected.delimiter!r}", 'ingest.table.delimiter: ";"'
        assumptions.append(Assumption(stage="ingest", subject="delimiter", text=text, setting=setting))
    if is_delimited and options.table.header == "auto":
        text = "the first line has the column names" if detected.header else "there is no line of column names"
        setting = f"ingest.table.header: {json.dumps(not detected.header)}"
        assumptions.append(Assumption(stage="ingest", subject="header", text=text, setting=setting))
    return assumptions


def assume_missing(table: TableFormat) -> list[Assumption]:
    """A remark about the cells that stand for a missing value, if the settings do not name them."""
    if "missing" in table.model_fields_set:
        return []
    text = f"the cells {json.dumps(table.missing_cells)} are missing values"
    return [Assumption(stage="ingest", subject="missing cells", text=text, setting='ingest.table.missing: ["", -999]')]


def assume_encodings(paths: Sequence[Path], encoding: str) -> list[Assumption]:
    """A remark for each encoding other than UTF-8 that was detected, with words as they were decoded."""
    found: dict[str, tuple[Path, bytes]] = {}
    for path in paths[:: -(-len(paths) // MAX_FILES)] if encoding == "auto" else []:
        name, beginning = read_beginning(path)
        if name not in UTF8:
            found.setdefault(name, (path, beginning))
    return [describe_encoding(name, path.name, beginning) for name, (path, beginning) in sorted(found.items())]
