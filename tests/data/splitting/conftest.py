"""Clean rows in memory, and projects that have them as files."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.contracts import Spec, TaskName
from headrace.data.splitting.clean_rows import CleanRows
from headrace.data.splitting.groups import Cluster, build_row_groups
from headrace.paths import SPLITS, Paths
from headrace.storage.parquet import read_table, write_shards

FRACTIONS = [0.7, 0.15, 0.15]


def row_id(number: int) -> str:
    return blake2b(str(number).encode(), digest_size=16).hexdigest()


def clean_rows(
    labels: Sequence[str],
    *,
    clusters: Sequence[Cluster] = (),
    official: Sequence[str | None] | None = None,
    row_ids: Sequence[str] | None = None,
) -> CleanRows:
    """Rows with the ids `row_id(0)` and on, unless they are official_codes; clusters contain positions in `labels`."""
    ids = np.array([row_id(number) for number in range(len(labels))] if row_ids is None else row_ids, "S32")
    order = np.argsort(ids)
    position_of = np.argsort(order)
    classes = sorted(set(labels))
    official_codes = [SPLITS.index(name) if name else -1 for name in official or [None] * len(labels)]
    return CleanRows(
        ids[order],
        np.array([classes.index(label) for label in labels], np.int32)[order],
        classes,
        np.array(official_codes, np.int8)[order],
        build_row_groups(ids[order], [(name, position_of[list(rows)]) for name, rows in clusters]),
        None,
    )


def by_id(rows: CleanRows, assigned: np.ndarray) -> dict[str, int]:
    return dict(zip(rows.row_ids.astype(str).tolist(), assigned.tolist(), strict=True))


def write_project(
    root: Path,
    columns: Mapping[str, Sequence[object]],
    *,
    task: TaskName = "classification",
    near_duplicates: Sequence[Sequence[str]] = (),
) -> Paths:
    """A project with these clean rows, without their content, which split does not read."""
    paths = Paths(root)
    paths.clean_dir.mkdir(parents=True)
    num_rows = len(columns["row_id"])
    filled = {"label": ["a"] * num_rows, "split": pa.nulls(num_rows, pa.string()), **columns}
    table = pa.table({name: pa.array(values) for name, values in filled.items()})
    write_shards(paths.clean_dir, table.schema, table.to_batches(7))
    spec = Spec(modality="table", task=task, source="x", format="csv", num_rows=num_rows)
    (paths.clean_dir / "spec.json").write_text(spec.to_json())
    pairs = [{"row_id": member, "group": min(cluster)} for cluster in near_duplicates for member in cluster]
    schema = pa.schema([("row_id", pa.string()), ("group", pa.string())])
    pq.write_table(pa.Table.from_pylist(pairs, schema), paths.clean_dir / "groups.parquet")
    return paths


def read_assigned(paths: Paths, column: str = "split") -> dict[str, str]:
    table = read_table(paths.split_dir)
    return dict(zip(table.column("row_id").to_pylist(), table.column(column).to_pylist(), strict=True))
