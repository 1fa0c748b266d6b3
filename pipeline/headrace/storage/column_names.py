"""Names of the source's columns in Parquet files, where they stand next to those that Headrace adds to rows.

Everything else knows the source's columns by their own names: settings, specs, transforms, requests and reports.
"""

from __future__ import annotations

RESERVED_NAMES = ("row_id", "label", "split", "source", "image", "text", "path", "original", "check", "reason")
"""Columns that Headrace adds to rows."""


def to_stored_name(name: str) -> str:
    """Returns a source column's name in files: a reserved name gets `_` appended, and so does `reason_`.

    >>> [to_stored_name(name) for name in ("age", "reason", "reason_")]
    ['age', 'reason_', 'reason__']
    """
    return f"{name}_" if name.rstrip("_") in RESERVED_NAMES else name


def to_source_name(stored: str) -> str:
    """Returns the source's name of a stored column, or the name of a column that Headrace added; undoes the above."""
    is_renamed = stored.endswith("_") and stored.rstrip("_") in RESERVED_NAMES
    return stored[:-1] if is_renamed else stored


def is_source_column(stored: str) -> bool:
    """Whether a stored column is one of the source's."""
    return stored not in RESERVED_NAMES
