"""Infers what kind of values a column contains from some of its rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.contracts import ColumnKind
from headrace.data.sources.image_formats import EXTENSIONS
from headrace.data.sources.read_options import TableFormat
from headrace.data.table.format_counts import count_formats, is_plain
from headrace.data.table.parsing import NAMED_DATE, parse_dates, parse_times
from headrace.data.table.reading.columns.numeric_columns import MOSTLY, decide_numeric

IMAGE = rf"(?i)^\S.*\.({'|'.join(extension[1:] for extension in EXTENSIONS)})(\?\S*)?$"
DATE_PREFIX = r"^\s*\d{1,4}[-/.]\d"
YEAR = r"\d{4}"
TIME_PREFIX = r"^\s*\d{1,2}:\d\d"
MIN_TEXT_WORDS = 5
"""Mean words per cell from which on a column is text rather than names; `Braund, Mr. Owen Harris` is a name."""
MIN_TITLE_WORDS = 2
"""The same beside a text, where such a column is a title."""
MIN_DISTINCT_FRACTION = 0.5
"""Distinct cells of a text column; MANY of them and 5 % suffice. With fewer, they are repeating phrases of a form."""
MANY = 50
WORDS = r"\S+"
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]"
"""Letters of languages written without blanks between words; about two make a word."""


def infer_column_kind(column: pa.Array) -> ColumnKind:
    """The kind of a column of strings; categorical if no other kind is likely or all cells are missing."""
    values = column.drop_null()
    if not len(values):
        return "categorical"
    if is_plain(values) or decide_numeric(count_formats(values), TableFormat()).is_numeric:
        return "numeric"
    return infer_other_kind(values)


def infer_other_kind(values: pa.Array) -> ColumnKind:
    """The kind of a column of strings that is not numeric and has no null."""
    if not len(values):
        return "categorical"
    counted = pc.value_counts(values)  # patterns are matched with each different cell once
    cells, shares = counted.field("values"), counted.field("counts").to_numpy() / len(values)
    if _looks_like_dates(cells, shares) and shares @ parse_dates(cells).is_invalid <= 1 - MOSTLY:
        return "date"
    if (
        _matching_fraction(cells, shares, TIME_PREFIX) >= MOSTLY
        and shares @ parse_times(cells).is_invalid <= 1 - MOSTLY
    ):
        return "time"
    if _matching_fraction(cells, shares, IMAGE) >= MOSTLY:
        return "image"
    return "text" if _is_text(values) else "categorical"


def is_numeric(values: pa.Array) -> bool:
    """Whether almost all of the strings are finite numbers, in any format."""
    if is_plain(values):
        return True
    counts = count_formats(values)
    return counts.num_numbers >= MOSTLY * counts.num_cells > 0


def is_mostly_distinct(column: pa.Array) -> bool:
    """Whether strings rarely repeat, as names, codes and short texts do."""
    values = column.drop_null()
    num_distinct = len(values.unique())
    return num_distinct > MANY and num_distinct >= MIN_DISTINCT_FRACTION * len(values)


def is_title(column: pa.Array) -> bool:
    """Whether strings, which are not text by themselves, would be the title of a text beside them."""
    values = column.drop_null()
    return is_mostly_distinct(values) and _count_words(values) >= MIN_TITLE_WORDS


def _looks_like_dates(cells: pa.Array, shares: NDArray[np.float64]) -> bool:
    """A cheap test that spares most columns the parsing of dates."""
    if _matching_fraction(cells, shares, DATE_PREFIX) >= MOSTLY:
        return True
    has_year = _matching_fraction(cells, shares, YEAR) >= MOSTLY
    return has_year and _matching_fraction(cells, shares, f"{DATE_PREFIX}|{NAMED_DATE}") >= MOSTLY


def _is_text(values: pa.Array) -> bool:
    if _count_words(values) < MIN_TEXT_WORDS:
        return False
    num_distinct = len(values.unique())
    return num_distinct >= MIN_DISTINCT_FRACTION * len(values) or num_distinct > max(MANY, (1 - MOSTLY) * len(values))


def _count_words(values: pa.Array) -> float:
    """Mean words per cell."""
    num_words: float = pc.mean(pc.count_substring_regex(values, WORDS)).as_py()
    num_letters: float = pc.mean(pc.count_substring_regex(values, UNSPACED)).as_py()
    return num_words + num_letters / 2


def _matching_fraction(cells: pa.Array, shares: NDArray[np.float64], pattern: str) -> float:
    """The share of the cells that match; `cells`: different ones."""
    return float(shares @ pc.match_substring_regex(cells, pattern).to_numpy(zero_copy_only=False))
