"""Splits by time: the oldest rows train, the newest test, as a deployed model meets its data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.data.splitting.groups import RowGroups
from headrace.data.splitting.row_hash import compute_interval_ends, cut_in_order
from headrace.errors import DataError

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 for times without a zone, which are only compared with each other
MICROSECOND = timedelta(microseconds=1)


def parse_times(column: pa.ChunkedArray, name: str) -> NDArray[np.int64] | NDArray[np.float64]:
    """`[rows]`: comparable times, from numbers, dates, or text that contains either.

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
        return _parse_iso(column.to_pylist(), name)
    _check_missing(int(np.isnan(times).sum()), name)
    return times


def split_by_time(
    times: NDArray[np.int64] | NDArray[np.float64], groups: RowGroups, fractions: Sequence[float]
) -> NDArray[np.int8]:
    """Returns the split of each row by index: `[rows]`; rows of the same time stay together.

    A group counts as its earliest row. A split ends where the time changes, as close to its fraction as possible.
    Raises DataError where there are fewer times than splits.
    """
    earliest = np.full(len(groups.sizes), times.max())
    np.minimum.at(earliest, groups.group_of_row, times)
    distinct, time_of_row, sizes = np.unique(earliest[groups.group_of_row], return_inverse=True, return_counts=True)
    if len(distinct) < len(fractions):
        raise DataError(
            f"params.yaml: split.time: {len(distinct)} different times (groups: their earliest) are too few for"
            f" {len(fractions)} splits; choose another column"
        )
    ends = np.array(compute_interval_ends(fractions)) * len(times)
    return cut_in_order(sizes, ends, np.ones(len(ends), np.bool_))[time_of_row]


def _check_missing(num_missing: int, name: str) -> None:
    if num_missing:
        raise DataError(
            f"params.yaml: split.time: column {name!r} has {num_missing} rows without a time; fix or remove them, or"
            " choose another column"
        )


def _parse_iso(texts: Sequence[str], name: str) -> NDArray[np.int64]:
    """Microseconds since 1970. Each text is parsed, since ISO texts sort as text only if all have the same form."""
    times = np.empty(len(texts), np.int64)
    first_has_zone: bool | None = None
    for row, text in enumerate(texts):
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise _mixed_forms(name, text, "which is not an ISO date (2024-05-31, 2024-05-31T12:00:00)") from None
        has_zone = time.tzinfo is not None
        first_has_zone = has_zone if first_has_zone is None else first_has_zone
        if has_zone != first_has_zone:
            raise _mixed_forms(name, text, f"but also {texts[0]!r}: with and without a time zone")
        times[row] = (time - (EPOCH.replace(tzinfo=UTC) if has_zone else EPOCH)) // MICROSECOND
    return times


def _mixed_forms(name: str, text: str, reason: str) -> DataError:
    return DataError(
        f"params.yaml: split.time: column {name!r} has {text[:40]!r}, {reason}; use numbers in every row, or ISO dates"
        " of one form"
    )
