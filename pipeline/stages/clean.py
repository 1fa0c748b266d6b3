"""Clean: data/raw -> data/clean, data/quarantine. Judges every row; none is lost, each rejected one has its reason."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from pipeline.config import Section
from pipeline.contracts import Examined, Fault, Metrics, Spec
from pipeline.errors import DataError
from pipeline.modalities.clean import EXAMINERS
from pipeline.paths import Paths
from pipeline.storage.atomic import atomic_dir, write_text
from pipeline.storage.tables import read_shards, write_shards

if TYPE_CHECKING:
    import pyarrow as pa

CHECKS = ("undecodable", "empty", "missing_label", "duplicate", "conflicting_labels", "rare_class")


class Config(Section):
    """Which rows may go on."""

    min_rows_per_class: int = Field(default=3, ge=1)
    """Rows that a class needs after the other checks; 3 is one each for training, validation and test."""
    rare_classes: Literal["error", "drop"] = "error"
    """What to do with a class that has fewer: stop, or put its rows in quarantine."""


class _Row(NamedTuple):
    row_id: str
    label: str
    content_key: str


Faults = dict[str, Fault]
"""Rejected rows by row id."""


def run(config: Config, paths: Paths) -> Metrics:
    """Parts the rows into clean and rejected ones; raises DataError where too few of a class, or classes, are left.

    Images are decoded once; what is kept in memory is an id, a label and a hash a row, never the rows.
    """
    spec = Spec.read(paths.raw_dir)
    rows, faults = _examine(paths.raw_dir, EXAMINERS[spec.modality])
    faults |= _repeats(row for row in rows if row.row_id not in faults)
    faults |= _rare(config, rows, faults, where=paths.raw_dir)
    sizes = Counter(row.label for row in rows if row.row_id not in faults)
    if len(sizes) < 2:  # noqa: PLR2004
        raise DataError(
            f"{paths.raw_dir}: usable rows of {len(sizes)} classes ({_by_check(faults.values())}); at least two are"
            " needed; add rows of others, or mend those that were rejected"
        )
    clean = spec.model_copy(update={"num_rows": sizes.total(), "classes": sorted(sizes)})
    _write(paths, clean, faults)
    return {**_figures(sizes, faults), "classes": len(sizes), "imbalance": max(sizes.values()) / min(sizes.values())}


def _examine(raw_dir: Path, examine: Callable[[pa.RecordBatch], Examined]) -> tuple[list[_Row], Faults]:
    """Looks at each row by itself: the rows that have a label, and the faults of all."""
    rows: list[_Row] = []
    faults: Faults = {}
    for batch in read_shards(raw_dir):
        examined = examine(batch)
        row_ids, labels = batch.column("row_id").to_pylist(), batch.column("label").to_pylist()
        for row_id, label, fault, key in zip(row_ids, labels, *examined, strict=True):
            if label:
                rows.append(_Row(row_id, sys.intern(label), key))
            if fault or not label:
                faults[row_id] = fault or Fault("missing_label", "no label: it lies in no class's folder")
    return rows, faults


def _repeats(rows: Iterable[_Row]) -> Faults:
    """Of rows with the same content the first by id stays; where their labels disagree none does."""
    groups: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[row.content_key].append(row)
    faults: Faults = {}
    for group in groups.values():
        if len(group) == 1:
            continue
        first, *others = sorted(group)
        labels = sorted({row.label for row in group})
        if len(labels) > 1:
            faults |= {row.row_id: Fault("conflicting_labels", f"same content under {labels}") for row in group}
        else:
            faults |= {row.row_id: Fault("duplicate", f"same content as row {first.row_id}") for row in others}
    return faults


def _rare(config: Config, rows: list[_Row], faults: Mapping[str, Fault], *, where: Path) -> Faults:
    """The rows of classes that are too small, if those may be dropped; else raises DataError that names them."""
    sizes = Counter({row.label: 0 for row in rows})
    sizes.update(row.label for row in rows if row.row_id not in faults)
    rare = sorted(label for label, size in sizes.items() if size < config.min_rows_per_class)
    if rare and config.rare_classes == "error":
        raise DataError(
            f"{where}: {'; '.join(_shortage(label, rows, faults) for label in rare[:5])}{'; ...' if rare[5:] else ''};"
            f" clean.min_rows_per_class is {config.min_rows_per_class}; add rows, or set clean.rare_classes: drop"
        )
    return {
        row.row_id: Fault(
            "rare_class", f"{row.label!r} has {sizes[row.label]} usable rows; {config.min_rows_per_class} are needed"
        )
        for row in rows
        if row.label in rare and row.row_id not in faults
    }


def _shortage(label: str, rows: list[_Row], faults: Mapping[str, Fault]) -> str:
    """For example: class 'cat' has 1 usable row of 3 (2 rejected: 2 undecodable)."""
    own = [row.row_id for row in rows if row.label == label]
    found = [faults[row_id] for row_id in own if row_id in faults]
    return f"class {label!r} has {len(own) - len(found)} usable rows of {len(own)} ({_by_check(found)})"


def _by_check(faults: Iterable[Fault]) -> str:
    counts = Counter(fault.check for fault in faults)
    return f"{counts.total()} rejected" + "".join(f", {count} {check}" for check, count in counts.most_common())


def _figures(sizes: Mapping[str, int], faults: Mapping[str, Fault]) -> Metrics:
    rows_out = sum(sizes.values())
    counts = Counter(fault.check for fault in faults.values())
    return {
        "rows_in": rows_out + len(faults),
        "rows_out": rows_out,
        "quarantined": len(faults),
        **{f"quarantined_{check}": counts[check] for check in CHECKS},
    }


def _write(paths: Paths, spec: Spec, faults: Mapping[str, Fault]) -> None:
    import pyarrow as pa

    schema = next(read_shards(paths.raw_dir)).schema
    with_reasons = schema.append(pa.field("check", pa.string())).append(pa.field("reason", pa.string()))
    with atomic_dir(paths.clean_dir) as clean, atomic_dir(paths.quarantine_dir) as quarantine:
        write_shards(clean, schema, _kept(read_shards(paths.raw_dir), faults))
        write_text(clean / "spec.json", spec.text())
        # its own reading, only where there is something to find: to write both at once, one would wait in memory
        batches = read_shards(paths.raw_dir) if faults else iter(())
        write_shards(quarantine, with_reasons, _rejected(batches, faults, with_reasons))


def _kept(batches: Iterable[pa.RecordBatch], faults: Mapping[str, Fault]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in batches:
        kept = batch.filter(pa.array([row_id not in faults for row_id in batch.column("row_id").to_pylist()]))
        if kept.num_rows:
            yield kept


def _rejected(
    batches: Iterable[pa.RecordBatch], faults: Mapping[str, Fault], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in batches:
        found = [faults.get(row_id) for row_id in batch.column("row_id").to_pylist()]
        rejected = batch.filter(pa.array([fault is not None for fault in found]))
        if rejected.num_rows:
            checks, reasons = zip(*[fault for fault in found if fault], strict=True)
            yield pa.RecordBatch.from_arrays([*rejected.columns, pa.array(checks), pa.array(reasons)], schema=schema)
