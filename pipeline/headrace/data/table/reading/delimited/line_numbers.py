"""The line in which each row begins; Arrow's parser, which skips blank lines, does not know it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.data.table.reading.delimited.format import Layout

BLANK_LINE = re.compile(r"\n([^\S\n]*)(?=\n)")


class LineNumbers:
    """Counts the lines of a text while a parser reads it, which may be some blocks ahead of the rows that it yields."""

    def __init__(self, layout: Layout) -> None:
        """The rows begin after the lines that `layout` skips."""
        self._dialect, self._num_columns = layout.dialect, len(layout.names)
        self._next = layout.num_skipped + 1
        self._blank: deque[int] = deque()
        """Blank lines that have been read, and that no row has passed yet."""

    def watch(self, blocks: Iterable[str]) -> Iterator[str]:
        """Passes the text on, and remembers the blank lines that the parser skips."""
        line, rest = self._next, ""
        for block in blocks:
            whole, end, rest = (rest + block).rpartition("\n")
            if end:
                text, place = f"\n{whole}\n", 1
                for match in BLANK_LINE.finditer(text):
                    line, place = line + text.count("\n", place, match.end()), match.end()
                    if self._is_skipped(match[1]):
                        self._blank.append(line)
                line += text.count("\n", place)
            yield block

    def assign(self, batch: pa.RecordBatch, *, may_span_lines: bool) -> pa.Array:
        """Returns the line in which each of the next rows begins: int64 `[rows]`."""
        num_lines = np.ones(batch.num_rows, np.int64)
        for column in batch.columns if may_span_lines else ():
            num_lines += pc.count_substring(column, "\n").fill_null(0).to_numpy()
        if self._blank and self._blank[0] < self._next + num_lines.sum():
            return pa.array(self._skip_blank_lines(num_lines))
        begins = self._next + np.cumsum(num_lines) - num_lines
        self._next += int(num_lines.sum())
        return pa.array(begins)

    def _skip_blank_lines(self, num_lines: NDArray[np.int64]) -> list[int]:
        begins = []
        for count in num_lines.tolist():
            while self._blank and self._blank[0] <= self._next:  # an earlier one is part of a quoted cell
                self._next += self._blank.popleft() == self._next
            begins.append(self._next)
            self._next += count
        return begins

    def _is_skipped(self, blank: str) -> bool:
        return not blank or blank.count(self._dialect.delimiter) + 1 != self._num_columns
