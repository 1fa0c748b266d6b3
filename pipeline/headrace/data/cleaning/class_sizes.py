"""Class sizes among the accepted rows: classes that are too small, and imbalance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding, Json
from headrace.data.cleaning.checks import Rule
from headrace.data.cleaning.scan import RowIndex
from headrace.errors import DataError
from headrace.storage.label_codec import decode_names

Rejections = Mapping[int, list[Finding]]
"""Row -> the findings that rejected it."""
MAX_CLASSES_NAMED = 5


def map_classes_to_codes(row_index: RowIndex) -> dict[str, list[int]]:
    """Class -> codes of the labels that are this class, or (multilabel) contain it; in alphabetical order."""
    codes_by_class: dict[str, list[int]] = {}
    for code, label in enumerate(row_index.labels):
        for name in decode_names(label) if row_index.is_multilabel else [label]:
            codes_by_class.setdefault(name, []).append(code)
    return dict(sorted(codes_by_class.items()))


def count_rows_by_class(row_index: RowIndex, is_accepted: NDArray[np.bool_] | None = None) -> dict[str, int]:
    """Class -> accepted rows (all rows by default), for every class in alphabetical order."""
    counts = _rows_by_label(row_index, is_accepted).tolist()
    return {name: sum(counts[code] for code in codes) for name, codes in map_classes_to_codes(row_index).items()}


def count_distinct_labels(row_index: RowIndex, is_accepted: NDArray[np.bool_]) -> int:
    """Counts the different labels of the accepted rows: classes, sets of classes, or values."""
    return int((_rows_by_label(row_index, is_accepted) > 0).sum())


def find_rare_classes(
    row_index: RowIndex, is_accepted: NDArray[np.bool_], rejections: Rejections, *, rule: Rule, where: str
) -> Iterable[Finding]:
    """Yields the rows of classes that are too small; raises DataError that names them where the severity is `error`.

    With several classes a row, dropping rows may make another class too small: its rows follow.
    """
    min_rows, labels = rule.options["min_rows"], row_index.scratch.open("labels")
    codes_by_class, is_accepted, reported = map_classes_to_codes(row_index), is_accepted.copy(), set[str]()
    while True:
        sizes = count_rows_by_class(row_index, is_accepted)
        rare = [name for name, size in sizes.items() if size < min_rows and name not in reported]
        if rare and rule.severity == "error":
            shortages = [_shortage(name, sizes[name], row_index, rejections) for name in rare[:MAX_CLASSES_NAMED]]
            raise DataError(
                f"{where}: {'; '.join(shortages)}{'; ...' if rare[MAX_CLASSES_NAMED:] else ''};"
                f" clean.checks.rare_class.min_rows is {min_rows}; add rows, or set clean.checks: {{rare_class: drop}}"
            )
        if not rare:
            return
        was_accepted = is_accepted.copy()
        for name in rare:
            has_class = np.isin(labels, codes_by_class[name])
            for row in np.flatnonzero(has_class & was_accepted).tolist():
                yield Finding(row, "rare_class", f"{name!r} has {sizes[name]} usable rows; {min_rows} are needed")
            is_accepted &= ~has_class if rule.severity == "drop" else True
        reported |= set(rare)


def _shortage(name: str, num_accepted: int, row_index: RowIndex, rejections: Rejections) -> str:
    """For example: class 'cat' has 1 usable rows of 3 (2 rejected, 2 undecodable)."""
    codes, class_codes = row_index.scratch.open("labels"), set(map_classes_to_codes(row_index)[name])
    rejected = [findings for row, findings in rejections.items() if int(codes[row]) in class_codes]
    return (
        f"class {name!r} has {num_accepted} usable rows of {num_accepted + len(rejected)}"
        f" ({summarize_rejections(rejected)})"
    )


def summarize_rejections(rejections: Iterable[list[Finding]]) -> str:
    """Counts the rejected rows by check; a row counts for the first check that rejected it."""
    counts = Counter(findings[0].check for findings in rejections)
    return f"{counts.total()} rejected" + "".join(f", {count} {check}" for check, count in counts.most_common())


def find_imbalance(row_index: RowIndex, is_accepted: NDArray[np.bool_], options: Json) -> list[tuple[str, str]]:
    """Returns a remark where the largest class has more than `max_ratio` times the rows of the smallest."""
    sizes = {name: size for name, size in count_rows_by_class(row_index, is_accepted).items() if size}
    if not sizes:
        return []
    smallest, largest = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    if sizes[largest] <= options["max_ratio"] * sizes[smallest]:
        return []
    ratio = sizes[largest] / sizes[smallest]
    remark = f"class {largest!r} has {sizes[largest]} rows, {smallest!r} {sizes[smallest]}: {ratio:.1f} times as many"
    return [("imbalance", remark)]


def _rows_by_label(row_index: RowIndex, is_accepted: NDArray[np.bool_] | None) -> NDArray[np.intp]:
    codes = row_index.scratch.open("labels")
    is_counted = (codes >= 0) & (True if is_accepted is None else is_accepted)
    return np.bincount(codes[is_counted], minlength=len(row_index.labels))
