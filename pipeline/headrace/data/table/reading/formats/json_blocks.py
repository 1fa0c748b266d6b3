"""Parses blocks of JSON lines as a whole with Arrow, where that gives the cells that Python's parser gives."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pyarrow import json as arrow_json
from pyarrow import types

from headrace.data.table.reading.formats.cell_text import format_floats, has_exact_integers

MAX_REFUSED = 3
"""Blocks that are tried in vain; a file of long integers or lists is left to Python then."""
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class BlockParser:
    """Parses the lines of a file block by block."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names`: the columns of the table."""
        self._names, self._num_refused = list(names), 0
        self._texts: set[str] = set()
        """Columns of texts that look like dates, which Arrow would not leave as they are written."""

    def parse(self, lines: Sequence[str]) -> pa.RecordBatch | None:
        """Returns string columns of the table's names; None if Python must parse the lines, or report what is wrong."""
        if self._num_refused >= MAX_REFUSED:
            return None
        cells = self._parse(lines)
        self._num_refused += cells is None
        return cells

    def _parse(self, lines: Sequence[str]) -> pa.RecordBatch | None:
        # lines that are one object each: Arrow does not mind several in a line, or one over several lines
        if not all(line[0] == "{" and line[-1] == "}" for line in lines):
            return None
        text = "\n".join(lines)
        if SURROGATE.search(text):
            return None
        data = pa.py_buffer(text.encode("utf-8", "replace"))
        try:
            rows = self._read(data)
            texts = {field.name for field in rows.schema if types.is_timestamp(field.type)}
            if texts:
                self._texts |= texts
                rows = self._read(data)
        except pa.ArrowException:
            return None
        if rows.num_rows != len(lines) or not set(self._names).issuperset(rows.column_names):
            return None
        missing = pa.nulls(rows.num_rows, pa.string())
        known = {name: _to_text(rows[name].combine_chunks()) for name in rows.column_names}
        columns = [known.get(name, missing) for name in self._names]
        return None if None in known.values() else pa.record_batch(columns, names=self._names)

    def _read(self, data: pa.Buffer) -> pa.Table:
        return arrow_json.read_json(
            pa.BufferReader(data),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=data.size + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=pa.schema([(name, pa.string()) for name in sorted(self._texts)])
            ),
        )


def _to_text(column: pa.Array) -> pa.Array | None:
    """A parsed column as text; None if other text was written."""
    if types.is_float64(column.type):
        is_text = has_exact_integers(column) and not _has_negative_zeros(column)
        return format_floats(column) if is_text else None
    is_plain = types.is_string(column.type) or types.is_integer(column.type) or types.is_boolean(column.type)
    return column.cast(pa.string()) if is_plain or types.is_null(column.type) else None


def _has_negative_zeros(column: pa.Array) -> bool:
    """Whether a zero has a sign: `-0` is the integer 0, `-0.0` is not."""
    numbers = column.to_numpy(zero_copy_only=False)
    return bool((np.signbit(numbers) & (numbers == 0)).any())
