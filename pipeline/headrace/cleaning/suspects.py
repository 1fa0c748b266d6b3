"""Suspects: rows whose label the other rows speak against."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headrace.cleaning.labels import label_errors
from headrace.cleaning.look import Facts
from headrace.contracts import Finding, Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Suspect(NamedTuple):
    """A row whose label looks wrong."""

    row: int
    label: str
    suggested: str

    def finding(self) -> Finding:
        """What the report says."""
        return Finding(self.row, "label_error", f"labelled {self.label!r}, looks like {self.suggested!r}")


def suspects(facts: Facts, is_left: NDArray[np.bool_], options: Json) -> list[Suspect]:
    """Suspected label errors among the rows that are left, or a sample of `max_rows` of them.

    The sample are the rows of the smallest ids, which are hashes: random, and the same for ever. They are looked at
    in the order of their ids, so that the order of the source makes no difference.
    """
    import numpy as np

    features, codes = facts.scratch.open("features"), facts.scratch.open("labels")
    rows = np.flatnonzero(is_left & (codes >= 0))
    if not len(rows) or not features.shape[1]:
        return []
    rows = rows[np.argsort(facts.scratch.open("row_ids")[rows])][: options["max_rows"]]
    known = np.asarray(features[rows])
    del features  # the map of all rows' features, which would stay in memory beside what is computed from these
    is_known = np.isfinite(known).all(axis=1)
    rows, known = rows[is_known], known[is_known]
    # by name, not by appearance: the answer must not depend on the order of the rows' labels
    names = sorted(facts.labels)
    code_of = {name: code for code, name in enumerate(names)}
    to_sorted = np.array([code_of[label] for label in facts.labels])
    found, suggested = label_errors(known, to_sorted[codes[rows]], max_rows=options["max_rows"], folds=options["folds"])
    return [
        Suspect(int(rows[index]), facts.labels[int(codes[rows[index]])], names[code])
        for index, code in zip(found.tolist(), suggested.tolist(), strict=True)
    ]
