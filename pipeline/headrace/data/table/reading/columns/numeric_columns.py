"""Decides from counts of cells whether a column is numeric, in which format, and which cells stand for missing ones."""

from __future__ import annotations

import re
from typing import NamedTuple

from headrace.data.sources.read_options import TableFormat
from headrace.data.table.format_counts import FormatCounts, choose_format, describe_mixture
from headrace.data.table.number_format import NumberFormat
from headrace.errors import DataError

MOSTLY = 0.95
"""Fraction of the cells with a value that must be numbers, or placeholders of missing ones."""
MIN_NUMBERS = 0.5
"""Fraction of them that must be numbers; a column of mostly placeholders has no kind of its own."""
PLACEHOLDER = re.compile(
    r"[^\w%]{1,5}|_+|#?n\.?/?a\.?|#n/a n/a|#(null|value|ref|div/0|num|name\?)!?|n/?v|k\. ?a\.|nil|none|null|nan|unknown"
    r"|missing|not (available|applicable|known|reported)|no data|tbd",
    re.IGNORECASE,
)
"""Cells that stand for a missing number: punctuation such as `-` or `..`, and usual words."""
MAX_NAMED = 3


class NumericDecision(NamedTuple):
    """Whether a column holds numbers, and how they are written."""

    is_numeric: bool
    number_format: NumberFormat
    is_ambiguous: bool
    """Whether the decimal mark was assumed."""
    missing: list[str]
    """Placeholders of missing numbers."""
    is_id: bool = False
    """Whether the column holds integers that float64 cannot hold, which only ids have."""


def decide_numeric(counts: FormatCounts, table: TableFormat, likely_decimal: str | None = None) -> NumericDecision:
    """Decides by all cells that were counted; `likely_decimal`: the decimal mark of the rest of the table."""
    thousands = None if table.thousands == "auto" else table.thousands
    chosen = choose_format(counts, decimal=find_set_decimal(table), thousands=thousands, likely_decimal=likely_decimal)
    missing = [cell for cell in counts.others if PLACEHOLDER.fullmatch(cell)]
    num_missing = sum(counts.others[cell] for cell in missing)
    num_values = counts.num_cells - num_missing
    is_numeric = (
        chosen.num_fitting >= MIN_NUMBERS * counts.num_cells > 0
        and chosen.num_fitting + num_missing >= MOSTLY * counts.num_cells
    )
    is_id = counts.num_integers >= MOSTLY * num_values and counts.num_long > (1 - MOSTLY) * num_values
    return NumericDecision(is_numeric and not is_id, chosen.number_format, chosen.is_ambiguous, missing, is_id)


def check_uniform(name: str, counts: FormatCounts, table: TableFormat) -> None:
    """Raises DataError for a column of numbers in notations that contradict each other, unless settings decide."""
    if find_set_decimal(table) or counts.num_numbers < MOSTLY * counts.num_cells:
        return
    mixture = describe_mixture(counts, choose_format(counts))
    if mixture:
        raise DataError(
            f"params.yaml: ingest.source: column {name!r} contains {mixture}; write them alike, set"
            f" ingest.table.decimal, or leave the column out (ingest.columns: {{{name}: ignore}})"
        )


def find_set_decimal(table: TableFormat) -> str | None:
    """The decimal mark that the settings name, or that their separator of thousands leaves; None if they do not."""
    if table.decimal != "auto":
        return table.decimal
    return {".": ",", ",": "."}.get(table.thousands)


def describe_others(counts: FormatCounts) -> str:
    """Names the commonest cells that are no numbers: `'-' (40), '..' (12)`."""
    return name_cells(dict(counts.others))


def name_cells(sizes: dict[str, int]) -> str:
    """Names the commonest of some cells with their counts."""
    ranked = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(ranked) - MAX_NAMED} others" if len(ranked) > MAX_NAMED else ""
    return ", ".join(f"{cell[:40]!r} ({count:,})" for cell, count in ranked[:MAX_NAMED]) + more
