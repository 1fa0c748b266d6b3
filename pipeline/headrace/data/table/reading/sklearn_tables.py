"""Small real tables that ship with scikit-learn, read as if from a CSV file, without network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from headrace.contracts import Column, OpenedSource, Spec, TaskName
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.row_source import SOURCE, format_index
from headrace.errors import ConfigError, choices

BATCH_ROWS = 1024


class SklearnTable(NamedTuple):
    """One of the tables; all its columns are numbers."""

    name: str
    function: str
    """Name of the loader in `sklearn.datasets`."""
    target: str
    """Name of the target, which has none in the package."""
    task: TaskName
    arguments: dict[str, Any]


WINE = SklearnTable("wine", "load_wine", "cultivar", "classification", {})
BREAST_CANCER = SklearnTable("breast-cancer", "load_breast_cancer", "diagnosis", "classification", {})
# as measured: scaling by the package would leak statistics of the test rows
DIABETES = SklearnTable("diabetes", "load_diabetes", "progression", "regression", {"scaled": False})


def _read(table: SklearnTable, path: Path, options: ReadOptions) -> OpenedSource:
    import sklearn.datasets

    del path
    _check_options(table, options)
    data = getattr(sklearn.datasets, table.function)(**table.arguments)
    names = [str(name) for name in data.feature_names]
    labels = [_text(value) for value in data.target.tolist()]
    if table.task == "classification":
        labels = [str(data.target_names[target]) for target in data.target]
    spec = Spec(
        modality="table",
        task=table.task,
        source=options.source,
        format=table.name,
        num_rows=0,
        target=table.target,
        columns=_columns(names, options),
    )
    return OpenedSource(spec, _schema(names), _batches(table.name, names, data.data.tolist(), labels))


def _check_options(table: SklearnTable, options: ReadOptions) -> None:
    if options.targets not in ([], [table.target]):
        raise ConfigError(
            f"params.yaml: ingest.target: got {options.target!r}; the target of {table.name} is {table.target!r};"
            " set that, or null"
        )
    if options.label_separator is not None:
        raise ConfigError(
            f"params.yaml: ingest.label_separator: got {options.label_separator!r}; {table.name} has one label per"
            " row; set null"
        )
    if options.split_column is not None:
        raise ConfigError(
            f"params.yaml: ingest.split_column: got {options.split_column!r}; {table.name} has no such column; set null"
        )
    if options.task not in {"auto", table.task}:
        raise ConfigError(
            f"params.yaml: ingest.task: got {options.task!r}; {table.name} is for {table.task}; set that, or auto"
        )


def _columns(names: list[str], options: ReadOptions) -> list[Column]:
    for name in options.columns:
        if name not in names:
            raise ConfigError(f"params.yaml: ingest.columns: {name!r} is not a column; {choices(name, names)}")
    kinds = {name: options.columns.get(name, "numeric") for name in names}
    return [Column(name=name, kind=kind) for name, kind in kinds.items() if kind != "ignore"]


def _schema(names: list[str]) -> pa.Schema:
    row_id = pa.field("row_id", pa.string(), nullable=False)
    return pa.schema([row_id, *(pa.field(name, pa.string()) for name in ("label", "split", SOURCE, *names))])


def _batches(table_name: str, names: list[str], rows: list[list[float]], labels: list[str]) -> Iterator[pa.RecordBatch]:
    num_seen: Counter[str] = Counter()
    for start in range(0, len(rows), BATCH_ROWS):
        batch = []
        for index in range(start, min(start + BATCH_ROWS, len(rows))):
            cells = [_text(value) for value in rows[index]]
            content = "\x1f".join([*cells, labels[index]])
            row_id = blake2b(f"{content}\x1f{num_seen[content]}".encode(), digest_size=16).hexdigest()
            row = {"row_id": row_id, "label": labels[index], SOURCE: format_index(table_name, index)}
            batch.append(row | dict(zip(names, cells, strict=True)))
            num_seen[content] += 1
        yield pa.RecordBatch.from_pylist(batch, _schema(names))


def _text(value: float) -> str:
    """The shortest text that parses to the same number: 13.2, and 1065 rather than 1065.0."""
    return repr(value).removesuffix(".0")


read_wine = partial(_read, WINE)
read_breast_cancer = partial(_read, BREAST_CANCER)
read_diabetes = partial(_read, DIABETES)
