"""Counts which number formats a column's cells fit, and chooses the one for the whole column."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.data.table.number_format import (
    PERCENT,
    SEPARATORS,
    NumberFormat,
    matches_format,
    remove_affixes,
)
from headrace.data.table.parsing import NUMBER, parse_numbers, strip_whitespace

CANDIDATES = [NumberFormat(mark, separator) for mark in ".," for separator in SEPARATORS if mark != separator]
"""For each decimal mark, the format without thousands first."""
MAX_OTHERS = 1000
"""Distinct cells that are no numbers, of which the rows are counted."""
MAX_CHARS = 40
"""A longer cell is no number."""
DIGIT = r"^\D{0,6}\d"
LARGEST_EXACT = 2**53
"""From here on, float64 cannot tell an integer from its neighbours."""
LONG = 16
"""Digits from which on an integer may exceed LARGEST_EXACT."""
MIXED = 0.05
"""Fraction of a column's numbers that no single format reads, from which on the column is a mixture."""


@dataclass
class FormatCounts:
    """Counts of a column's cells that have a value, over some of its rows."""

    num_cells: int = 0
    num_numbers: int = 0
    """Cells that are a number in at least one format."""
    num_long: int = 0
    """Cells that are integers beyond LARGEST_EXACT."""
    num_integers: int = 0
    """Cells of digits alone."""
    fits: Counter[NumberFormat] = field(default_factory=Counter)
    """Cells by format that reads them, with the affix that they have."""
    examples: dict[str, str] = field(default_factory=dict)
    """Decimal mark -> a number that no format with the other mark reads."""
    others: Counter[str] = field(default_factory=Counter)
    """Cells that are no number in any format; at most MAX_OTHERS different ones."""

    def add(self, other: FormatCounts) -> None:
        """Adds the counts of further rows of the column."""
        self.num_cells += other.num_cells
        self.num_numbers += other.num_numbers
        self.num_long += other.num_long
        self.num_integers += other.num_integers
        self.fits.update(other.fits)
        self.examples = other.examples | self.examples
        new = [(cell, count) for cell, count in other.others.items() if cell in self.others]
        space = MAX_OTHERS - len(self.others)
        new += [item for item in other.others.items() if item[0] not in self.others][:space]
        self.others.update(dict(new))


class ChosenFormat(NamedTuple):
    """The format of a column."""

    number_format: NumberFormat
    num_fitting: int
    is_ambiguous: bool = False
    """Whether another decimal mark reads as many cells, as other numbers: `1,234`."""


def count_formats(column: pa.Array) -> FormatCounts:
    """Counts the cells of a column of strings by the formats that read them; null and empty cells do not count."""
    counted = pc.value_counts(strip_whitespace(column).drop_null())
    cells, sizes = counted.field("values"), counted.field("counts").to_numpy()
    result = FormatCounts(num_cells=int(sizes.sum()))
    is_short = _mask(pc.less_equal(pc.utf8_length(cells), MAX_CHARS)) & _mask(pc.match_substring_regex(cells, DIGIT))
    _add_others(result, cells.filter(pa.array(~is_short)), sizes[~is_short])
    if is_short.any():
        _add_numbers(result, cells.filter(pa.array(is_short)), sizes[is_short])
    return result


def choose_format(
    counts: FormatCounts, *, decimal: str | None = None, thousands: str | None = None, likely_decimal: str | None = None
) -> ChosenFormat:
    """Returns the format that reads most cells; of several, the simplest one.

    Args:
        counts: those of the whole column, if possible.
        decimal: the only decimal mark that is allowed; None: any.
        thousands: the only separator that is allowed, beside none at all; None: any.
        likely_decimal: decides if both marks read as many cells, as different numbers.
    """
    affix = _choose_affix(counts)
    allowed = [
        candidate
        for candidate in CANDIDATES
        if decimal in (None, candidate.decimal) and (thousands is None or candidate.thousands in ("", thousands))
    ]
    fitting = {candidate: _num_fitting(counts, candidate, affix) for candidate in allowed}
    most = max(fitting.values())
    simplest = {c.decimal: c for c in reversed(allowed) if fitting[c] == most}
    chosen = simplest.get(".") or simplest[","]
    is_ambiguous = False
    if len(simplest) > 1 and (simplest["."].thousands or simplest[","].thousands) not in ("", " ", "'", "_"):
        # `1,234` is 1234 or 1.234; `1.234` is taken for thousands only where the mark is known to be a comma
        is_ambiguous = simplest["."].thousands == "," or likely_decimal == ","
        chosen = simplest[likely_decimal or "."]
    elif len(simplest) > 1 and likely_decimal:
        chosen = simplest[likely_decimal] if simplest["."].thousands else chosen
    return ChosenFormat(chosen._replace(affix=affix), most, is_ambiguous)


def describe_mixture(counts: FormatCounts, chosen: ChosenFormat) -> str | None:
    """Returns what is wrong with a column of numbers in formats that contradict each other; None if they do not."""
    if counts.num_numbers - chosen.num_fitting <= MIXED * counts.num_numbers:
        return None
    affixes = sorted({number_format.affix for number_format, count in counts.fits.items() if count} - {""})
    if len(affixes) > 1:
        return f"numbers with different units, {affixes[:5]}"
    if len(counts.examples) > 1:
        return (
            f"numbers with decimal point ({counts.examples['.']!r}) and with decimal comma ({counts.examples[',']!r})"
        )
    return f"numbers in several notations, of which {chosen.number_format} reads {chosen.num_fitting:,}"


def _add_numbers(result: FormatCounts, cells: pa.Array, sizes: NDArray[np.int64]) -> None:
    """Counts distinct cells that may be numbers; `sizes`: rows of each."""
    bare, affixes = remove_affixes(cells)
    is_number = _mask(pc.match_substring_regex(cells, NUMBER)) & np.isfinite(parse_numbers(cells).values)
    has_affix = _mask(pc.not_equal(affixes, ""))
    by_mark = {mark: np.zeros(len(cells), np.bool_) for mark in ".,"}
    for candidate in CANDIDATES:
        is_fitting = _mask(matches_format(bare, candidate))
        by_mark[candidate.decimal] |= is_fitting
        for affix in ["", *pc.unique(affixes.filter(pa.array(has_affix))).to_pylist()]:
            num_fitting = int(sizes[is_fitting & _mask(pc.equal(affixes, affix))].sum())
            result.fits[candidate._replace(affix=affix)] += num_fitting
    for mark, other in (".,", ",."):
        only = np.flatnonzero(by_mark[mark] & ~by_mark[other])
        if len(only):
            result.examples[mark] = cells[int(only[0])].as_py()
    is_number |= by_mark["."] | by_mark[","]
    result.num_numbers = int(sizes[is_number].sum())
    _count_integers(result, cells, sizes)
    _add_others(result, cells.filter(pa.array(~is_number)), sizes[~is_number])


def _add_others(result: FormatCounts, cells: pa.Array, sizes: NDArray[np.int64]) -> None:
    for cell, size in zip(cells[:MAX_OTHERS].to_pylist(), sizes.tolist(), strict=False):
        result.others[cell] += size


def _num_fitting(counts: FormatCounts, candidate: NumberFormat, affix: str) -> int:
    affixes = {affix} if affix in PERCENT else {"", affix}
    return sum(counts.fits[candidate._replace(affix=name)] for name in affixes)


def _choose_affix(counts: FormatCounts) -> str:
    """The commonest affix, if at least half of the numbers have it or it is a currency."""
    sizes: Counter[str] = Counter()
    for number_format, count in counts.fits.items():
        sizes[number_format.affix] = max(sizes[number_format.affix], count)
    affix, size = max(sizes.items(), key=lambda item: (item[0] != "") * item[1], default=("", 0))
    return affix if 2 * size >= counts.num_numbers or affix not in PERCENT else ""


def _count_integers(result: FormatCounts, cells: pa.Array, sizes: NDArray[np.int64]) -> None:
    is_integer = _mask(pc.match_substring_regex(cells, r"^[+-]?\d+$"))
    result.num_integers = int(sizes[is_integer].sum())
    is_long = is_integer & (pc.utf8_length(cells).to_numpy() >= LONG)
    for index in np.flatnonzero(is_long).tolist():
        result.num_long += int(sizes[index]) * (abs(int(cells[index].as_py())) > LARGEST_EXACT)


def _mask(values: pa.Array) -> NDArray[np.bool_]:
    array: NDArray[np.bool_] = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return array


def is_plain(column: pa.Array) -> bool:
    """Whether all cells are finite numbers in plain notation that float64 can tell apart; fast."""
    if column.null_count == len(column):
        return False
    try:
        values = column.drop_null().cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return False
    is_short = pc.max(pc.binary_length(column)).as_py() < LONG
    return bool(np.isfinite(values).all()) and (is_short or bool((np.abs(values) < LARGEST_EXACT).all()))
