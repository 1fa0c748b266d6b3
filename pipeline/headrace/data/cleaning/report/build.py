"""The report: what the judgement means for a person, with the rows that it is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from html import escape
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import ColumnFinding, Finding, Json, Metrics, Spec
from headrace.data.cleaning.class_sizes import sizes
from headrace.data.cleaning.decide import CleaningDecision
from headrace.data.cleaning.report import charts
from headrace.data.cleaning.report.page import Report, Shown
from headrace.data.cleaning.scan import RowIndex
from headrace.storage.parquet import batch_refs, read_batch

FIGURES_PER_CHECK = 12
MEASURES_SHOWN = 12


def report(
    spec: Spec,
    facts: RowIndex,
    judgement: CleaningDecision,
    *,
    columns: list[ColumnFinding],
    metrics: Metrics,
    figures: list[Shown],
) -> Report:
    """Puts everything together."""
    is_left = judgement.is_left
    counts: defaultdict[str, int] = defaultdict(int)
    for (_, check), number in judgement.counts().items():
        counts[check] += number
    for check in [found.check for found in columns] + [check for check, _ in judgement.remarks]:
        counts[check] += 1
    measures = {
        name: charts.histogram(facts.scratch.read(f"measure:{name}"), is_left)
        for name in facts.measures[:MEASURES_SHOWN]
    }
    return Report(
        source=spec.source,
        metrics=metrics,
        rules=dict(judgement.rules),
        counts=dict(counts),
        columns=columns,
        remarks=judgement.remarks,
        classes=charts.classes(sizes(facts), sizes(facts, is_left)) if spec.task != "regression" else "",
        histograms={name: svg for name, svg in measures.items() if svg},
        shown=figures,
    )


def shown(raw_dir: Path, facts: RowIndex, judgement: CleaningDecision, picture: Callable[[Json], str]) -> list[Shown]:
    """The first rows that each check found, and what near-duplicates are like, side by side."""
    by_check = _by_check([*(one for of_row in judgement.faults.values() for one in of_row), *judgement.told_of_left()])
    partner = {row: cluster.rows[0] for cluster in judgement.clusters for row in cluster.rows[1:]}
    partner |= _firsts(facts, by_check.get("duplicate", [])[:FIGURES_PER_CHECK])
    wanted = {found.row for findings in by_check.values() for found in findings[:FIGURES_PER_CHECK]}
    rows = rows_at(raw_dir, wanted | {partner[row] for row in wanted if row in partner})
    return [
        Shown(check, [_figure(found, rows, partner, picture) for found in findings[:FIGURES_PER_CHECK]], len(findings))
        for check, findings in by_check.items()
    ]


def _by_check(found: list[Finding]) -> dict[str, list[Finding]]:
    """Findings of each check, one a row."""
    by_check: defaultdict[str, dict[int, Finding]] = defaultdict(dict)
    for one in found:
        rows = by_check[one.check]
        known = rows.get(one.row)
        rows[one.row] = one if known is None else one._replace(reason=f"{known.reason}; {one.reason}")
    return {check: list(rows.values()) for check, rows in by_check.items()}


def rows_at(folder: Path, wanted: Iterable[int]) -> dict[int, Json]:
    """Rows by position, reading only the batches that they lie in."""
    refs = batch_refs(folder)
    ends = list(accumulate(ref.num_rows for ref in refs))
    rows: dict[int, Json] = {}
    left = sorted(wanted)
    for ref, end in zip(refs, ends, strict=True):
        here = [position for position in left if end - ref.num_rows <= position < end]
        if here:
            batch = read_batch(ref)
            for position in here:
                rows[position] = batch.slice(position - (end - ref.num_rows), 1).to_pylist()[0]
    return rows


def _firsts(facts: RowIndex, found: list[Finding]) -> dict[int, int]:
    """The row that each duplicate repeats: the last word of its reason is that row's id."""
    ids = {one.reason.rsplit(" ", 1)[-1].encode(): one.row for one in found}
    if not ids:
        return {}

    row_ids: NDArray[np.bytes_] = facts.scratch.read("row_ids")
    places = np.flatnonzero(np.isin(row_ids, np.array(list(ids), "S32"))).tolist()
    position = {bytes(row_ids[place]): place for place in places}
    return {one.row: position[one.reason.rsplit(" ", 1)[-1].encode()] for one in found}


def _figure(found: Finding, rows: dict[int, Json], partner: dict[int, int], picture: Callable[[Json], str]) -> str:
    row = rows[found.row]
    pictures = [picture(row)]
    if found.check in {"near_duplicate", "duplicate"} and partner.get(found.row) in rows:
        pictures.insert(0, picture(rows[partner[found.row]]))
    label = escape(str(row.get("label")))
    return (
        f"<figure><div class=pair>{''.join(f'<div>{one}</div>' for one in pictures)}</div>"
        f"<figcaption>{escape(found.reason)}; label {label}<span class=id>{row['row_id']}</span></figcaption></figure>"
    )
