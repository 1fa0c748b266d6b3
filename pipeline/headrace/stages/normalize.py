"""Normalize: data/clean, data/split -> data/normalized, reports/assumptions.json. Fits on train rows only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.cluster.batch_engine import Selection, StoredRows, open_engine
from headrace.contracts import Json, Metrics, Spec
from headrace.data.image.transform import measure_pixels
from headrace.data.sources.assumptions import assume_inputs, to_json, warn_of_assumptions
from headrace.data.sources.row_source import SOURCE
from headrace.data.targets import count_class_rows, encode_targets, fit_target_scale, target_shape
from headrace.data.transforms import TRANSFORMS
from headrace.errors import DataError
from headrace.paths import SPLITS, UNUSED, Paths
from headrace.settings.normalize import Config
from headrace.storage.arrays import ArrayWriter, create_arrays, write_columns, write_sources
from headrace.storage.atomic import atomic_dir, write_json, write_text
from headrace.storage.checksums import write_checksums
from headrace.storage.column_names import is_source_column, to_source_name
from headrace.storage.parquet import read_schema, read_table
from headrace.storage.split_index import find_positions, read_row_ids, read_rows, to_ascii_ids

EVALUATED = ("val", "test")
"""The splits whose rows are sliced."""


class _EncodedBatch(NamedTuple):
    """One batch, ready to be stored."""

    row_ids: NDArray[np.bytes_]
    inputs: Any
    targets: NDArray[Any]


def run(config: Config, paths: Paths) -> Metrics:
    """Writes the arrays of each split, sorted by row id, and the transform that produced them."""
    clean = Spec.read(paths.clean_dir)
    row_ids = _read_row_ids(paths, clean)
    text_options = config.text.model_dump()
    table_options = config.table.model_dump() | {"text": text_options}
    options = {"image": config.model_dump(), "text": text_options, "table": table_options}
    with open_engine(config.engine, paths.clean_dir, paths, clean.modality) as engine:
        train = StoredRows(paths.clean_dir, engine, "fit", Selection(paths.split_dir, "train"))
        transform = TRANSFORMS[clean.modality].fit(train, clean, options[clean.modality] | {"root": str(paths.root)})
        if clean.task == "regression":
            transform["target"] = fit_target_scale(train, spec=clean)
        assumptions = assume_inputs(clean, transform, config.text.max_tokens)
        update = {"input_shape": transform["input_shape"], "assumptions": [*clean.assumptions, *assumptions]}
        spec = clean.model_copy(update=update)
        rows = StoredRows(paths.clean_dir, engine, "normalize")
        with atomic_dir(paths.normalized_dir) as folder, ExitStack() as stack:
            writers = {}
            for split in SPLITS:
                writer = create_arrays(
                    folder / split,
                    num_rows=len(row_ids[split]),
                    input_shape=spec.input_shape,
                    modality=spec.modality,
                    task=spec.task,
                    target_shape=target_shape(spec),
                )
                writers[split] = stack.enter_context(closing(writer))
            _write_rows(writers, row_ids, rows.map(partial(_encode, spec=spec, transform=transform)), paths)
            _write_sources(folder, row_ids, paths.clean_dir)
            _write_other_columns(folder, row_ids, paths.clean_dir, transform)
            if spec.modality == "image":
                transform |= measure_pixels(np.asarray(writers["train"].inputs))
            if spec.task != "regression":
                transform["target"] = count_class_rows(writers["train"].targets, spec)
            _describe(folder, writers, transform, spec)
    write_json(paths.assumptions_path, to_json(spec.assumptions))
    warn_of_assumptions(assumptions)
    return {**{split: len(row_ids[split]) for split in SPLITS}, **_shape_metrics(spec, transform)}


def _describe(folder: Path, writers: Mapping[str, ArrayWriter], transform: Json, spec: Spec) -> None:
    """Writes what the folder holds, and at last the checksums of all files."""
    write_json(folder / "transform.json", transform)
    write_text(folder / "spec.json", spec.to_json())
    for writer in writers.values():  # what is buffered is on the disk before it is hashed
        writer.close()
    write_checksums(folder)


def _read_row_ids(paths: Paths, clean: Spec) -> dict[str, NDArray[np.bytes_]]:
    """Returns the sorted row ids of each split; raises DataError if they do not match the clean rows."""
    num_rows = read_table(paths.split_dir, ["row_id"]).num_rows
    if num_rows != clean.num_rows:
        raise DataError(
            f"{paths.split_dir}: has {num_rows} rows, {paths.clean_dir} has {clean.num_rows}; run: dvc repro split"
        )
    row_ids = {split: read_row_ids(paths.split_dir, split) for split in (*SPLITS, UNUSED)}
    if not len(row_ids["train"]):
        raise DataError("data/split: no train rows to fit on; increase the first of split.fractions")
    return row_ids


def _encode(batch: pa.RecordBatch, *, spec: Spec, transform: Json) -> _EncodedBatch:
    targets = encode_targets(batch.column("label").to_pylist(), spec)
    inputs = TRANSFORMS[spec.modality].apply(batch, transform)
    return _EncodedBatch(to_ascii_ids(batch.column("row_id")), inputs, targets)


def _write_rows(
    writers: Mapping[str, ArrayWriter],
    row_ids: Mapping[str, NDArray[np.bytes_]],
    batches: Iterable[_EncodedBatch],
    paths: Paths,
) -> None:
    """Writes every row to its place in its split, independently of the order of the source."""
    for split, writer in writers.items():
        writer.row_ids[:] = row_ids[split]
    for batch in batches:
        num_written = int(find_positions(batch.row_ids, row_ids[UNUSED])[1].sum())
        for split, writer in writers.items():
            positions, is_in_split = find_positions(batch.row_ids, row_ids[split])
            writer.put(positions[is_in_split], _select(batch.inputs, is_in_split), batch.targets[is_in_split])
            num_written += int(is_in_split.sum())
        if num_written != len(batch.row_ids):
            raise DataError(f"{paths.clean_dir}: has rows that are not in data/split; run: dvc repro split")


def _write_sources(folder: Path, row_ids: Mapping[str, NDArray[np.bytes_]], clean_dir: Path) -> None:
    """Writes where the rows of each split stand in the source."""
    if SOURCE not in read_schema(clean_dir).names:  # rows of an earlier version
        return
    clean = read_table(clean_dir, ["row_id", SOURCE])
    ids, sources = to_ascii_ids(clean.column("row_id")), clean.column(SOURCE).cast(pa.large_string()).combine_chunks()
    order = np.argsort(ids)
    for split in SPLITS:
        write_sources(folder / split, sources.take(pa.array(order[np.searchsorted(ids, row_ids[split], sorter=order)])))


def _write_other_columns(
    folder: Path, row_ids: Mapping[str, NDArray[np.bytes_]], clean_dir: Path, transform: Json
) -> None:
    """Writes the source's columns that the model has not, by which `validate` and `test` slice their rows."""
    known = {item["column"] for item in transform.get("inputs", [])}
    others = [name for name in read_schema(clean_dir).names if is_source_column(name)]
    others = [name for name in others if to_source_name(name) not in known]
    for split in EVALUATED if others else ():
        rows = read_rows(clean_dir, row_ids[split], others)
        write_columns(folder / split, rows.rename_columns([to_source_name(name) for name in others]))


def _select(inputs: Any, is_selected: NDArray[np.bool_]) -> Any:
    if isinstance(inputs, list):
        return [ids for ids, is_wanted in zip(inputs, is_selected.tolist(), strict=True) if is_wanted]
    return inputs[is_selected]


def _shape_metrics(spec: Spec, transform: Json) -> Metrics:
    if spec.modality == "image":
        return dict(zip(("height", "width", "channels"), spec.input_shape, strict=True))
    if spec.modality == "text":
        return {
            "max_tokens": spec.input_shape[0],
            "vocabulary": transform["vocabulary"],
            "cut_share": transform["cut_share"],
        }
    metrics: Metrics = {"columns": spec.input_shape[0], "left_out": len(transform["left_out"])}
    texts = [column for column in transform["columns"] if column["kind"] == "text"]
    if not texts:
        return metrics
    return metrics | {
        "max_tokens": sum(column["max_tokens"] for column in texts),
        "vocabulary": transform["vocabulary"],
        "cut_share": max(column["cut_share"] for column in texts),
    }
