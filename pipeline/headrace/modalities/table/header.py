"""Whether the first record of a table names its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NAMES = frozenset(
    [
        *("category", "class", "diagnosis", "id", "income", "label", "labels", "outcome", "sentence", "sentiment"),
        *("species", "survived", "target", "text", "y"),
    ]
)
"""Lower-case names that hardly are values."""
LONGEST_NAME = 64
MOSTLY = 0.95


def is_header(first: Sequence[str], below: Sequence[Sequence[str]], missing: Sequence[str]) -> bool:
    """Whether a record looks unlike those below it: words over numbers, or a value that no record below has."""
    cells = [cell.strip() for cell in first]
    if not below:
        return not any(NUMBER.fullmatch(cell) for cell in cells)
    columns = [
        [value for value in map(str.strip, column) if value not in missing] for column in zip(*below, strict=False)
    ]
    numeric = [_is_numeric(column) for column in columns]
    pairs = list(zip(cells, columns, numeric, strict=False))
    if any(over and cell not in missing and not NUMBER.fullmatch(cell) for cell, _, over in pairs):
        return True
    if any(NUMBER.fullmatch(cell) or len(cell) > LONGEST_NAME for cell in cells) or len(set(cells)) < len(cells):
        return False
    if any(cell.lower() in NAMES and cell not in column for cell, column, _ in pairs):
        return True
    repeating = [(cell, set(column)) for cell, column, _ in pairs if len(set(column)) <= len(column) / 2]
    return bool(repeating) and all(cell not in values for cell, values in repeating)


def _is_numeric(column: list[str]) -> bool:
    return bool(column) and sum(bool(NUMBER.fullmatch(cell)) for cell in column) >= MOSTLY * len(column)
