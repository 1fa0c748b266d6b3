"""Classes: their sizes among the rows that are left, those that are too small, and how uneven they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding, Json
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.scan import RowIndex
from headrace.errors import DataError
from headrace.storage.label_codec import read_names

CLASSES_TOLD = 5


class Judged(Protocol):
    """Who is left so far, and why others are not."""

    is_left: NDArray[np.bool_]
    faults: dict[int, list[Finding]]


def members(facts: RowIndex) -> dict[str, list[int]]:
    """Class -> codes of the labels that are it, or, with several a row, that hold it; in alphabetical order."""
    found: dict[str, list[int]] = {}
    for code, label in enumerate(facts.labels):
        for name in read_names(label) if facts.is_multilabel else [label]:
            found.setdefault(name, []).append(code)
    return dict(sorted(found.items()))


def sizes(facts: RowIndex, is_left: NDArray[np.bool_] | None = None) -> dict[str, int]:
    """Rows by class, of all classes in alphabetical order; of the rows that are left, or of all."""
    counted = _rows_by_label(facts, is_left).tolist()
    return {name: sum(counted[code] for code in codes) for name, codes in members(facts).items()}


def num_labels(facts: RowIndex, is_left: NDArray[np.bool_]) -> int:
    """Different labels of the rows that are left: classes, sets of classes, or values."""
    return int((_rows_by_label(facts, is_left) > 0).sum())


def _rows_by_label(facts: RowIndex, is_left: NDArray[np.bool_] | None) -> NDArray[np.intp]:

    codes = facts.scratch.open("labels")
    return np.bincount(codes[(codes >= 0) & (True if is_left is None else is_left)], minlength=len(facts.labels))


def rare(facts: RowIndex, judged: Judged, rule: Rule, where: str) -> Iterable[Finding]:
    """The rows of classes that are too small; raises DataError that names them where the severity is `error`.

    With several classes a row, rows that leave may make another class too small: it goes too.
    """
    least, labels = rule.options["min_rows"], facts.scratch.open("labels")
    codes_of, is_left, told = members(facts), judged.is_left.copy(), set[str]()
    while True:
        left = sizes(facts, is_left)
        small = [name for name, size in left.items() if size < least and name not in told]
        if small and rule.severity == "error":
            raise _too_few(small, left, facts, judged, where=where, least=least)
        if not small:
            return
        is_here = is_left.copy()
        for name in small:
            has_it = np.isin(labels, codes_of[name])
            for row in np.flatnonzero(has_it & is_here).tolist():
                yield Finding(row, "rare_class", f"{name!r} has {left[name]} usable rows; {least} are needed")
            is_left &= ~has_it if rule.severity == "drop" else True
        told |= set(small)


def _too_few(
    small: list[str], left: dict[str, int], facts: RowIndex, judged: Judged, *, where: str, least: int
) -> DataError:
    told = "; ".join(_shortage(name, left[name], facts, judged.faults) for name in small[:CLASSES_TOLD])
    return DataError(
        f"{where}: {told}{'; ...' if small[CLASSES_TOLD:] else ''}; clean.checks.rare_class.min_rows is {least};"
        " add rows, or set clean.checks: {rare_class: drop}"
    )


def _shortage(name: str, num_left: int, facts: RowIndex, faults: Mapping[int, list[Finding]]) -> str:
    """For example: class 'cat' has 1 usable row of 3 (2 rejected: 2 undecodable)."""
    codes, own_codes = facts.scratch.open("labels"), set(members(facts)[name])
    own = [found for row, found in faults.items() if int(codes[row]) in own_codes]
    return f"class {name!r} has {num_left} usable rows of {num_left + len(own)} ({by_check(own)})"


def by_check(faults: Iterable[list[Finding]]) -> str:
    """How many rows left for which check, the first that found something."""
    counts = Counter(found[0].check for found in faults)
    return f"{counts.total()} rejected" + "".join(f", {count} {check}" for check, count in counts.most_common())


def imbalance(facts: RowIndex, is_left: NDArray[np.bool_], options: Json) -> list[tuple[str, str]]:
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
