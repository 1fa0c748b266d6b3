"""Near-duplicates: rows that are almost the same, in clusters that no split may part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from headrace.cleaning.look import Facts
from headrace.cleaning.near import groups, near_pairs
from headrace.contracts import Examiner, Finding, Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


def near_duplicates(facts: Facts, is_left: NDArray[np.bool_], examiner: Examiner, options: Json) -> list[Cluster]:
    """Clusters among the rows that are left, by banded hashes and then by `similarity`."""
    import numpy as np

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
    roots: NDArray[np.int64], members: NDArray[np.int64], best: dict[int, float], facts: Facts
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
