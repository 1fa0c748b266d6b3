"""Classes: their sizes among the rows that are left, those that are too small, and how uneven they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from pipeline.cleaning.checks import Rule
from pipeline.cleaning.look import Facts
from pipeline.contracts import Finding, Json
from pipeline.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES_TOLD = 5


class Judged(Protocol):
    """Who is left so far, and why others are not."""

    is_left: NDArray[np.bool_]
    faults: dict[int, list[Finding]]


def sizes(facts: Facts, is_left: NDArray[np.bool_] | None = None) -> dict[str, int]:
    """Rows by label, of all labels in alphabetical order; of the rows that are left, or of all."""
    import numpy as np

    codes = facts.scratch.open("labels")
    counted = np.bincount(codes[(codes >= 0) & (True if is_left is None else is_left)], minlength=len(facts.labels))
    return dict(sorted(zip(facts.labels, counted.tolist(), strict=True)))


def rare(facts: Facts, judged: Judged, rule: Rule, where: str) -> Iterable[Finding]:
    """The rows of classes that are too small; raises DataError that names them where the severity is `error`."""
    import numpy as np

    left, least = sizes(facts, judged.is_left), rule.options["min_rows"]
    small = [label for label, size in left.items() if size < least]
    if small and rule.severity == "error":
        told = "; ".join(_shortage(label, left[label], facts, judged.faults) for label in small[:CLASSES_TOLD])
        raise DataError(
            f"{where}: {told}{'; ...' if small[CLASSES_TOLD:] else ''}; clean.checks.rare_class.min_rows is {least};"
            " add rows, or set clean.checks: {rare_class: drop}"
        )
    tiny = set(small)
    codes = {code: label for code, label in enumerate(facts.labels) if label in tiny}
    is_rare = np.isin(facts.scratch.open("labels"), list(codes)) & judged.is_left
    for row in np.flatnonzero(is_rare).tolist():
        label = codes[int(facts.scratch.open("labels")[row])]
        yield Finding(row, "rare_class", f"{label!r} has {left[label]} usable rows; {least} are needed")


def _shortage(label: str, num_left: int, facts: Facts, faults: Mapping[int, list[Finding]]) -> str:
    """For example: class 'cat' has 1 usable row of 3 (2 rejected: 2 undecodable)."""
    codes, code = facts.scratch.open("labels"), facts.labels.index(label)
    own = [found for row, found in faults.items() if codes[row] == code]
    return f"class {label!r} has {num_left} usable rows of {num_left + len(own)} ({by_check(own)})"


def by_check(faults: Iterable[list[Finding]]) -> str:
    """How many rows left for which check, the first that found something."""
    counts = Counter(found[0].check for found in faults)
    return f"{counts.total()} rejected" + "".join(f", {count} {check}" for check, count in counts.most_common())


def imbalance(facts: Facts, is_left: NDArray[np.bool_], options: Json) -> list[tuple[str, str]]:
    """A remark where the largest class has many times the rows of the smallest."""
    left = {label: size for label, size in sizes(facts, is_left).items() if size}
    if not left:
        return []
    smallest, largest = min(left, key=left.__getitem__), max(left, key=left.__getitem__)
    if left[largest] <= options["max_ratio"] * left[smallest]:
        return []
    told = (
        f"class {largest!r} has {left[largest]} rows, {smallest!r} {left[smallest]}:"
        f" {left[largest] / left[smallest]:.1f} times as many"
    )
    return [("imbalance", told)]
