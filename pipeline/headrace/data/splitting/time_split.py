"""By time: the oldest rows train, the newest test, as a model meets its data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.data.splitting.groups import RowGroups
from headrace.data.splitting.row_hash import interval_ends
from headrace.errors import DataError

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 of times that say no zone, which are compared among themselves only
MICROSECOND = timedelta(microseconds=1)


def times_of(column: pa.ChunkedArray, name: str) -> NDArray[np.int64] | NDArray[np.float64]:
    """`[rows]`: times that can be compared, from numbers, dates, or text that holds either.

    Raises DataError for missing times, and for text that is neither all numbers nor all ISO.
    """
    if pa.types.is_timestamp(column.type):
        _check_missing(column.null_count, name)
        return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)
    if pa.types.is_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        _check_missing(column.null_count + (pc.sum(pc.equal(column, "")).as_py() or 0), name)
    try:
        times = np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
    except pa.ArrowInvalid:
        return _from_iso(column.to_pylist(), name)
    _check_missing(int(np.isnan(times).sum()), name)
    return times


def _check_missing(num_missing: int, name: str) -> None:
    if num_missing:
        raise DataError(
            f"params.yaml: split.time: column {name!r} has {num_missing} rows without a time; mend or remove them, or"
            " choose another column"
        )


def _from_iso(texts: Sequence[str], name: str) -> NDArray[np.int64]:
    """Microseconds since 1970; each text is read, since only texts of one form are in order by their letters."""
    found = np.empty(len(texts), np.int64)
    first_has_zone: bool | None = None
    for row, text in enumerate(texts):
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise _unlike(name, text, "which is no ISO date (2024-05-31, 2024-05-31T12:00:00)") from None
        has_zone = when.tzinfo is not None
        first_has_zone = has_zone if first_has_zone is None else first_has_zone
        if has_zone != first_has_zone:
            raise _unlike(name, text, f"but also {texts[0]!r}: with and without a time zone")
        found[row] = (when - (EPOCH.replace(tzinfo=UTC) if has_zone else EPOCH)) // MICROSECOND
    return found


def _unlike(name: str, text: str, why: str) -> DataError:
    return DataError(
        f"params.yaml: split.time: column {name!r} has {text[:40]!r}, {why}; give all rows numbers, or all ISO dates of"
        " one form"
    )


def by_time(
    times: NDArray[np.int64] | NDArray[np.float64], units: RowGroups, shares: Sequence[float]
) -> NDArray[np.int8]:
    """Split of each row by index: `[rows]`; rows of the same time stay together, and so do units, at their earliest.

    A split ends where the time changes, as near as can be to its share. Raises DataError for too few times.
    """
    first = np.full(len(units.sizes), times.max())
    np.minimum.at(first, units.of_row, times)
    different, of_row, sizes = np.unique(first[units.of_row], return_inverse=True, return_counts=True)
    if len(different) < len(shares):
        raise DataError(
            f"params.yaml: split.time: {len(different)} different times (of groups: their earliest) do not part into"
            f" {len(shares)} splits; choose another column"
        )
    before = np.cumsum(sizes)  # by cut: rows that are older
    cuts: list[int] = []
    for index, end in enumerate(interval_ends(shares)[:-1]):
        low, high = (cuts[-1] + 1 if cuts else 0), len(different) - len(shares) + 1 + index
        cuts.append(low + int(np.abs(before[low:high] - round(end * len(times))).argmin()))
    return np.searchsorted(np.array(cuts), of_row, side="left").astype(np.int8)
