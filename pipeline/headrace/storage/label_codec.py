"""Labels as text: what the column `label` of rows holds where a row has several names, or several values.

Both are JSON lists of strings, so that a label is one string whatever the task, as cells of a table are: names sorted,
each once (`["comedy", "war"]`, `[]` for none); values in the order of their columns (`["1.5", null]`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any


def write_names(names: Iterable[Any]) -> str:
    """Sorted, each once; numbers and truths as JSON has them; blanks around names, and empty ones, go."""
    told = (name if isinstance(name, str) else json.dumps(name, default=str) for name in names if name is not None)
    return json.dumps(sorted({name.strip() for name in told} - {""}), ensure_ascii=False)


def write_values(cells: Sequence[str | None]) -> str:
    """As they are; None where there is no value."""
    return json.dumps(list(cells), ensure_ascii=False)


def read_list(text: str) -> list[Any] | None:
    """What the two wrote, or any list of JSON that is flat; None for anything else."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_flat = isinstance(found, list) and not any(isinstance(item, list | dict) for item in found)
    return found if is_flat else None


def read_names(text: str) -> list[str]:
    """The names of a label; none for one that `clean` rejects."""
    return read_list(text) or []
