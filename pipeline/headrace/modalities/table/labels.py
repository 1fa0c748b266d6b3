"""Labels that are spelt otherwise in the test rows: `<=50K.` for `<=50K`, as in the set Adult."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)


def dotted_splits(labels: Mapping[str | None, set[str]], source: str) -> dict[str | None, list[str]]:
    """Splits whose labels all become labels of the train rows when a full stop at their end is left out.

    Returns those labels by split; `labels` are of some rows of each split. Warns of what it found.
    """
    train = labels.get("train", set())
    found = {}
    for split, others in labels.items():
        is_dotted = bool(others) and all(label.endswith(".") and label not in train for label in others)
        if is_dotted and {label.removesuffix(".") for label in others} <= train:
            found[split] = sorted(train)
            log.warning(
                "%s: labels of %s rows end in a full stop, those of train rows do not; it is left out (%r is %r)",
                source, split, min(others), min(others).removesuffix("."),
            )  # fmt: skip
    return found


def without_dots(labels: pa.Array, known: list[str]) -> pa.Array:
    """Leaves out the full stop at the end of labels where what remains is known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shorter = pc.replace_substring_regex(labels, r"\.$", "")
    return pc.if_else(pc.is_in(shorter, value_set=pa.array(known, pa.string())), shorter, labels)
