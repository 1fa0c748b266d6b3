"""Near-duplicates: rows that share a hash and are similar, joined to clusters that no split may separate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Finding, Json, RowChecker
from headrace.data.cleaning.scan import RowIndex

Sketches: TypeAlias = NDArray[np.uint8]
Integers: TypeAlias = NDArray[np.int64]
Similarity: TypeAlias = Callable[[Sketches, Sketches], NDArray[np.float32]]

NEIGHBOURS = 2
"""Rows that a row is compared with in each bucket, so that the work grows with the rows however many share a hash.

In a larger bucket, rows that also share the next hash are neighbours, as most near-duplicates do.
"""
GATHER_BYTES = 8 * 1024 * 1024
"""Sketches that are compared at once."""


class Cluster(NamedTuple):
    """Rows each of which is almost the same as another of them."""

    rows: list[int]
    """Positions: rows of an official test split first, then by row id."""
    first_id: str
    similarities: dict[int, float]
    """Row -> similarity to the row that it resembles most."""

    def findings(self, name_row: Callable[[int], str]) -> Iterator[Finding]:
        """Yields a finding for each row but the first."""
        first = self.rows[0]
        for row in self.rows[1:]:
            similarity = self.similarities[row]
            reason = f"almost the same as {name_row(first)} or one like it (similarity {similarity:.3f})"
            yield Finding(row, "near_duplicate", reason, repeats=first)


def find_near_duplicates(
    row_index: RowIndex, is_accepted: NDArray[np.bool_], checker: RowChecker, options: Json
) -> list[Cluster]:
    """Finds clusters among the accepted rows: candidates by banded hashes, compared by `similarity`."""
    hashes, sketches = row_index.scratch.open("hashes"), row_index.scratch.open("sketches")
    threshold = options["similarity"] if options["similarity"] is not None else checker.similarity_threshold
    if not len(hashes) or not hashes.shape[1]:
        return []
    ranks = np.argsort(np.argsort(row_index.scratch.read("row_ids"), kind="stable"), kind="stable")
    pairs = find_near_pairs(hashes, sketches, checker.similarity, threshold, usable=is_accepted, ranks=ranks)
    if not len(pairs):
        return []
    similarities = checker.similarity(np.asarray(sketches[pairs[:, 0]]), np.asarray(sketches[pairs[:, 1]]))
    best: dict[int, float] = {}
    for pair, similarity in zip(pairs.tolist(), similarities.tolist(), strict=True):
        for row in pair:
            best[row] = max(best.get(row, 0.0), similarity)
    return _clusters(group_pairs(pairs, row_index.num_rows), np.unique(pairs), best, row_index)


def find_near_pairs(
    hashes: NDArray[np.uint64],
    sketches: Sketches,
    similarity: Similarity,
    threshold: float,
    *,
    usable: NDArray[np.bool_],
    ranks: Integers | None = None,
) -> Integers:
    """Finds pairs of rows that are at least `threshold` similar: int64 `[pairs, 2]`, first < second, sorted.

    `hashes` `[rows, bands]` and `sketches` `[rows, bytes]` may be memory-mapped; `usable` `[rows]`: the rows that are
    compared; `ranks` `[rows]`: an order that does not depend on that of the rows. A pair is found if its rows share a
    hash in some band. In a large cluster not every pair is found, but enough of them to connect it.
    """
    num_rows, num_bands = hashes.shape
    rows = np.flatnonzero(usable)
    ranks = np.arange(num_rows) if ranks is None else ranks
    near = np.empty(0, np.int64)  # first * num_rows + second, sorted
    for band in range(num_bands):
        ordered, values = _buckets(hashes, rows, ranks, band)
        for candidates in _neighbours(ordered, values, num_rows):
            new = candidates[~np.isin(candidates, near)]
            is_near = _similarities(new // num_rows, new % num_rows, sketches, similarity) >= threshold
            near = np.union1d(near, new[is_near])
    return np.stack([near // num_rows, near % num_rows], axis=1) if num_rows else np.empty((0, 2), np.int64)


def group_pairs(pairs: Integers, num_rows: int) -> Integers:
    """Returns the first row of each row's cluster, from the pairs `[pairs, 2]` that connect rows: int64 `[rows]`."""
    if not len(pairs):
        return np.arange(num_rows)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(pairs), bool), tuple(pairs.T)), shape=(num_rows, num_rows))
    components = connected_components(edges, directed=False)[1]
    _, first_rows, components = np.unique(components, return_index=True, return_inverse=True)
    return first_rows[components]


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
    """Pairs up to NEIGHBOURS apart in the same bucket, each `first * num_rows + second`, without repeats."""
    for distance in range(1, NEIGHBOURS + 1):
        is_same = values[distance:] == values[:-distance]
        left, right = ordered[:-distance][is_same], ordered[distance:][is_same]
        yield np.minimum(left, right) * num_rows + np.maximum(left, right)


def _similarities(first: Integers, second: Integers, sketches: Sketches, similarity: Similarity) -> NDArray[np.float32]:
    batch_rows = max(1, GATHER_BYTES // max(1, sketches.shape[1]))
    similarities = np.empty(len(first), np.float32)
    for start in range(0, len(first), batch_rows):
        batch = slice(start, start + batch_rows)
        similarities[batch] = similarity(np.asarray(sketches[first[batch]]), np.asarray(sketches[second[batch]]))
    return similarities


def _clusters(first_rows: Integers, members: Integers, best: dict[int, float], row_index: RowIndex) -> list[Cluster]:
    row_ids, ranks = row_index.scratch.open("row_ids"), row_index.scratch.open("ranks")
    rows_by_first: dict[int, list[int]] = {}
    for row in members.tolist():
        rows_by_first.setdefault(int(first_rows[row]), []).append(row)
    clusters = []
    for rows in rows_by_first.values():
        ordered = sorted(rows, key=lambda row: (int(ranks[row]), bytes(row_ids[row])))
        clusters.append(Cluster(ordered, bytes(row_ids[ordered[0]]).decode(), {row: best[row] for row in rows}))
    return clusters
