"""What kind of values a column holds, guessed from some of its rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts import ColumnKind
from headrace.data.table.parsing import dates, numbers

MOSTLY = 0.95
"""Of the cells that have a value: a column is numeric, of dates or of images from so many on."""
# `table` must not know `image`; a test holds this to the formats that are decoded
IMAGE = r"(?i)^\S.*\.(bmp|gif|jpeg|jpg|pbm|pgm|png|ppm|tif|tiff|webp)(\?\S*)?$"
DATE_BEGINS = r"^\s*\d{1,4}[-/.]\d"
"""Spares most columns the slower look."""
TEXT_WORDS = 5
"""On average, from which on a cell is a text rather than a name; so that `Braund, Mr. Owen Harris` is none."""
TEXT_DISTINCT = 0.5
"""Of the cells, or MANY of them and 5 %: fewer are the repeating phrases of a form."""
MANY = 50
WORDS = r"\S+"
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]"
"""Letters of languages that write no blanks between words; about two make one."""


def kind_of(column: pa.Array) -> ColumnKind:
    """The kind of strings, null where missing; categorical where nothing else is likely, or nothing is there."""
    values = column.drop_null()
    if not len(values):
        return "categorical"
    if is_numeric(values):
        return "numeric"
    if _share(values, DATE_BEGINS) >= MOSTLY and float(dates(values).is_broken.mean()) <= 1 - MOSTLY:
        return "date"
    if _share(values, IMAGE) >= MOSTLY:
        return "image"
    return "text" if _is_text(values) else "categorical"


def is_numeric(values: pa.Array) -> bool:
    """Whether almost all of some strings are finite numbers."""
    return float(np.isfinite(numbers(values).values).mean()) >= MOSTLY


def is_wordy(column: pa.Array) -> bool:
    """Whether strings hardly repeat: names, codes or short texts."""
    values = column.drop_null()
    num_distinct = len(values.unique())
    return num_distinct > MANY and num_distinct >= TEXT_DISTINCT * len(values)


def _is_text(values: pa.Array) -> bool:

    words = pc.mean(pc.count_substring_regex(values, WORDS)).as_py()
    letters = pc.mean(pc.count_substring_regex(values, UNSPACED)).as_py()
    if words + letters / 2 < TEXT_WORDS:
        return False
    num_distinct = len(values.unique())
    return num_distinct >= TEXT_DISTINCT * len(values) or num_distinct > max(MANY, (1 - MOSTLY) * len(values))


def _share(values: pa.Array, pattern: str) -> float:

    return float(pc.mean(pc.match_substring_regex(values, pattern).cast("int8")).as_py())
