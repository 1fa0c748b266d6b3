"""Near-duplicates among all rows: candidates by shared hashes, judged by similarity, joined to clusters.

Near-duplicates: rows that are almost the same, in clusters that no split may part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding, Json, RowChecker
from headrace.data.cleaning.scan import RowIndex

Sketches: TypeAlias = NDArray[np.uint8]
Integers: TypeAlias = NDArray[np.int64]

NEIGHBOURS = 2
"""Rows that a row is compared with in each bucket: so work grows with the rows, however many share a hash.

In a larger bucket those stand next to each other that also share the next hash, as near-duplicates mostly do.
"""
GATHER_BYTES = 8 * 1024 * 1024
"""Sketches that are compared at once."""


def near_pairs(
    hashes: NDArray[np.uint64],
    sketches: Sketches,
    similarity: Callable[[Sketches, Sketches], NDArray[np.float32]],
    threshold: float,
    *,
    usable: NDArray[np.bool_],
    ranks: Integers | None = None,
) -> Integers:
    """Pairs of rows that are at least `threshold` similar: int64 `[pairs, 2]`, first < second, sorted.

    `hashes` `[rows, bands]` and `sketches` `[rows, bytes]` may be memory-mapped; `usable` `[rows]`: the rows that are
    looked at; `ranks` `[rows]`: an order that does not change with that of the rows. A pair is found where it shares a
    hash in some band; in a cluster of many not every pair is told, but enough of them to join it.
    """
    num_rows, num_bands = hashes.shape
    rows = np.flatnonzero(usable)
    ranks = np.arange(num_rows) if ranks is None else ranks
    found = np.empty(0, np.int64)  # first * num_rows + second, sorted
    for band in range(num_bands):
        ordered, values = _buckets(hashes, rows, ranks, band)
        for pairs in _neighbours(ordered, values, num_rows):
            new = pairs[~np.isin(pairs, found)]
            near = _judged(new // num_rows, new % num_rows, sketches, similarity) >= threshold
            found = np.union1d(found, new[near])
    return np.stack([found // num_rows, found % num_rows], axis=1) if num_rows else np.empty((0, 2), np.int64)


def groups(pairs: Integers, num_rows: int) -> Integers:
    """Of each row the first of its cluster, by pairs `[pairs, 2]` that belong together: int64 `[rows]`."""
    first = list(range(num_rows))

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = row = first[first[row]]
        return row

    for one, other in pairs.tolist():
        low, high = sorted((root(one), root(other)))
        first[high] = low
    return np.array([root(row) for row in range(num_rows)], np.int64)


def _buckets(
    hashes: NDArray[np.uint64], rows: Integers, ranks: Integers, band: int
) -> tuple[Integers, NDArray[np.uint64]]:
    """Rows that share their hash with another, ordered by it, then by the next band's; and the hashes."""
    values = np.asarray(hashes[:, band])[rows]
    order = np.argsort(values)
    same = values[order[1:]] == values[order[:-1]]
    shared = np.zeros(len(rows), np.bool_)
    shared[order[1:][same]] = shared[order[:-1][same]] = True
    rows, values = rows[shared], values[shared]
    following = np.asarray(hashes[:, (band + 1) % hashes.shape[1]])[rows]
    order = np.lexsort((ranks[rows], following, values))
    return rows[order], values[order]


def _neighbours(ordered: Integers, values: NDArray[np.uint64], num_rows: int) -> Iterator[Integers]:
    """Pairs of a bucket whose places are up to NEIGHBOURS apart, each `first * num_rows + second`, without repeats."""
    for distance in range(1, NEIGHBOURS + 1):
        is_same = values[distance:] == values[:-distance]
        one, other = ordered[:-distance][is_same], ordered[distance:][is_same]
        yield np.minimum(one, other) * num_rows + np.maximum(one, other)


def _judged(
    first: Integers,
    second: Integers,
    sketches: Sketches,
    similarity: Callable[[Sketches, Sketches], NDArray[np.float32]],
) -> NDArray[np.float32]:

    at_once = max(1, GATHER_BYTES // max(1, sketches.shape[1]))
    judged = np.empty(len(first), np.float32)
    for start in range(0, len(first), at_once):
        part = slice(start, start + at_once)
        judged[part] = similarity(np.asarray(sketches[first[part]]), np.asarray(sketches[second[part]]))
    return judged


class Cluster(NamedTuple):
    """Rows each of which is almost the same as another of them."""

    rows: list[int]
    """Positions; first that of an official test split, if there is one, and of the smallest row id."""
    first_id: str
    similarities: dict[int, float]
    """By row, to the row that it resembles most."""

    def findings(self) -> Iterator[Finding]:
        """Of all but the first."""
        for row in self.rows[1:]:
            reason = f"almost the same as row {self.first_id} or one like it (similarity {self.similarities[row]:.3f})"
            yield Finding(row, "near_duplicate", reason)


def near_duplicates(facts: RowIndex, is_left: NDArray[np.bool_], examiner: RowChecker, options: Json) -> list[Cluster]:
    """Clusters among the rows that are left, by banded hashes and then by `similarity`."""
    hashes, sketches = facts.scratch.open("hashes"), facts.scratch.open("sketches")
    threshold = options["similarity"] if options["similarity"] is not None else examiner.similarity_threshold
    if not len(hashes) or not hashes.shape[1]:
        return []
    ranks = np.argsort(np.argsort(facts.scratch.read("row_ids"), kind="stable"), kind="stable")
    pairs = near_pairs(hashes, sketches, examiner.similarity, threshold, usable=is_left, ranks=ranks)
    if not len(pairs):
        return []
    likeness = examiner.similarity(np.asarray(sketches[pairs[:, 0]]), np.asarray(sketches[pairs[:, 1]]))
    best: dict[int, float] = {}
    for (first, second), found in zip(pairs.tolist(), likeness.tolist(), strict=True):
        for row in (first, second):
            best[row] = max(best.get(row, 0.0), found)
    return _clusters(groups(pairs, facts.num_rows), np.unique(pairs), best, facts)


def _clusters(
    roots: NDArray[np.int64], members: NDArray[np.int64], best: dict[int, float], facts: RowIndex
) -> list[Cluster]:
    row_ids, ranks = facts.scratch.open("row_ids"), facts.scratch.open("ranks")
    by_root: dict[int, list[int]] = {}
    for row in members.tolist():
        by_root.setdefault(int(roots[row]), []).append(row)
    made = []
    for rows in by_root.values():
        ordered = sorted(rows, key=lambda row: (int(ranks[row]), bytes(row_ids[row])))
        made.append(Cluster(ordered, bytes(row_ids[ordered[0]]).decode(), {row: best[row] for row in rows}))
    return made
