"""Checks a contract's rules about all accepted rows together: missing cells, class shares, and drift of columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.contracts import Json, Spec
from headrace.data.cleaning.contract.rules import name_columns, raise_or_remark, read_column
from headrace.paths import CONTRACT
from headrace.storage.parquet import read_table

if TYPE_CHECKING:
    from headrace.data.cleaning.contract.settings import AcceptedColumn, Contract, DriftRule, SharesRule

NUM_BINS = 10
MAX_VALUES = 50
"""Commonest values of a category that are counted one by one."""
MIN_ROWS = 30
"""With fewer rows nothing is said about drift."""
Remark = tuple[str, str]


def check_totals(contract: Contract, spec: Spec, clean_dir: Path) -> list[Remark]:
    """Returns a remark (check, text) for each rule that the clean rows break.

    Reads one column at a time. Raises DataError, with all of them, if the action of one is stop.
    """
    found = []
    if contract.target.shares:
        found += list(_compare_shares(contract.target.shares, clean_dir))
    for name, column in (name_columns(spec) if spec.modality == "table" else {}).items():
        rules = contract.columns.get(name)
        missing = rules.missing if rules else None
        accepted = contract.drift.columns.get(name) if contract.drift else None
        if not missing and not accepted:
            continue
        values = read_column(clean_dir, column.name)
        share = values.null_count / max(1, len(values))
        if missing and share > missing.max_share:
            text = f"column {name!r}: {share:.1%} of the cells are missing, more than {missing.max_share:.1%}"
            found.append((missing.action, f"{text} ({CONTRACT}: columns.{name}.missing)"))
        if contract.drift and accepted:
            found += list(_measure_drift(name, values, accepted, contract.drift))
    return raise_or_remark(found, "data/clean")


def summarize_values(values: pa.ChunkedArray) -> Json | None:
    """Returns an AcceptedColumn of clean cells, as plain JSON: deciles or the commonest values; None for dates."""
    if pa.types.is_timestamp(values.type):
        return None
    if pa.types.is_floating(values.type):
        known = values.drop_null().to_numpy()
        steps = np.arange(1, NUM_BINS) / NUM_BINS
        edges = np.unique(np.quantile(known, steps, method="inverted_cdf")).tolist() if len(known) else []
        return {"edges": edges, "counts": _count_numbers(values, edges)}
    counted = sorted(_count_values(values).items(), key=lambda entry: (-entry[1], entry[0]))[:MAX_VALUES]
    names = [name for name, _ in counted]
    return {"values": names, "counts": _count_names(values, names)}


def find_psi(before: list[int], after: list[int]) -> float:
    """Returns the population stability index, less what it is on average without any drift.

    It is the sum of (q - p) ln(q / p) over the bins (Siddiqi, Credit Risk Scorecards, 2006, chapter 8), and by chance
    about (bins - 1) (1 / rows + 1 / rows before). Half a row is added to each bin, so that none is empty.
    """
    is_used = (np.array(before) + np.array(after)) > 0
    old, new = (np.array(counts, np.float64)[is_used] + 0.5 for counts in (before, after))
    p, q = old / old.sum(), new / new.sum()
    by_chance = (len(p) - 1) * (1 / old.sum() + 1 / new.sum())
    return float(((q - p) * np.log(q / p)).sum() - by_chance)


def _compare_shares(rule: SharesRule, clean_dir: Path) -> Iterator[Remark]:
    counts = _count_values(read_table(clean_dir, ["label"]).column(0))
    total = sum(counts.values())
    for name in sorted({*counts, *rule.expected}):
        share, expected = counts.get(name, 0) / max(1, total), rule.expected.get(name, 0.0)
        if abs(share - expected) > rule.tolerance or not (share and expected):
            text = f"class {name[:40]!r} has {share:.1%} of the rows, not {expected:.1%} +- {rule.tolerance:.1%}"
            yield rule.action, f"{text} ({CONTRACT}: target.shares)"


def _measure_drift(name: str, values: pa.ChunkedArray, accepted: AcceptedColumn, rule: DriftRule) -> Iterator[Remark]:
    is_number = pa.types.is_floating(values.type)
    if len(values) < MIN_ROWS or is_number != (accepted.edges is not None):  # another kind: compare_columns says so
        return
    counts = _count_numbers(values, accepted.edges or []) if is_number else _count_names(values, accepted.values or [])
    if len(counts) != len(accepted.counts) or (psi := find_psi(accepted.counts, counts)) <= rule.max_psi:
        return
    p, q = (np.array(each) / max(1, sum(each)) for each in (accepted.counts, counts))
    most = int(np.abs(q - p).argmax())
    text = (
        f"column {name!r} drifted: {_name_bin(accepted, most)} {p[most]:.1%} before, {q[most]:.1%} now; PSI {psi:.2f}"
    )
    yield rule.action, f"{text} ({CONTRACT}: drift.max_psi)"


def _count_numbers(values: pa.ChunkedArray, edges: list[float]) -> list[int]:
    """Rows of each bin, then 0 for other values, then missing cells."""
    known = values.drop_null().to_numpy()
    counts: NDArray[Any] = np.bincount(np.searchsorted(np.array(edges), known, side="left"), minlength=len(edges) + 1)
    return [*counts.tolist(), 0, values.null_count]


def _count_names(values: pa.ChunkedArray, names: list[str]) -> list[int]:
    """Rows of each name, then of other values, then of missing cells."""
    counts = _count_values(values)
    listed = [counts.get(name, 0) for name in names]
    return [*listed, sum(counts.values()) - sum(listed), values.null_count]


def _count_values(values: pa.ChunkedArray) -> dict[str, int]:
    entries = pc.value_counts(values.drop_null()).to_pylist()
    return {entry["values"]: entry["counts"] for entry in entries}


def _name_bin(accepted: AcceptedColumn, index: int) -> str:
    if index == len(accepted.counts) - 1:
        return "missing cells"
    if accepted.edges is None:
        return repr(accepted.values[index]) if accepted.values and index < len(accepted.values) else "other values"
    if index < len(accepted.edges):
        return f"up to {accepted.edges[index]:g}"
    return f"above {accepted.edges[-1]:g}" if accepted.edges else "numbers"
