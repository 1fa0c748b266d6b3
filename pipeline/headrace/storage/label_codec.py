"""Encodes several labels or values of a row as one string, for the column `label`.

Both are JSON lists of strings: unique names, sorted (`["comedy", "war"]`, `[]` for none); values in the order of their
columns (`["1.5", null]`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any


def encode_names(names: Iterable[Any]) -> str:
    """Encodes names: sorted, unique, stripped, without empty ones; numbers and booleans are written as in JSON."""
    texts = (name if isinstance(name, str) else json.dumps(name, default=str) for name in names if name is not None)
    return json.dumps(sorted({name.strip() for name in texts} - {""}), ensure_ascii=False)


def encode_values(cells: Sequence[str | None]) -> str:
    """Encodes values; None stands for a missing value."""
    return json.dumps(list(cells), ensure_ascii=False)


def decode_list(text: str) -> list[Any] | None:
    """Decodes names or values, or any flat JSON list; returns None for anything else."""
    if not text.startswith("["):
        return None
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_flat = isinstance(items, list) and not any(isinstance(item, list | dict) for item in items)
    return items if is_flat else None


def decode_names(text: str) -> list[str]:
    """Decodes names; returns none for a label that `clean` rejects."""
    return decode_list(text) or []
