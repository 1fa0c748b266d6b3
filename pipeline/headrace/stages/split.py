"""Split: data/clean -> data/split. Assigns every row to one split; fits nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Metrics, Spec, TaskName
from headrace.data.splitting.clean_rows import CleanRows, read_clean_rows
from headrace.data.splitting.hash_split import HashSplitConfig, assign_folds, resolve_counts, split_by_hash
from headrace.data.splitting.metrics import compute_split_metrics, warn_about_missing_classes
from headrace.data.splitting.official_split import find_leaking_rows, split_officially
from headrace.data.splitting.time_split import parse_times, split_by_time
from headrace.paths import SPLITS, UNUSED, Paths
from headrace.settings.split import Config, Strategy
from headrace.storage.atomic import atomic_dir
from headrace.storage.parquet import write_shards

logger = logging.getLogger(__name__)


def run(config: Config, paths: Paths) -> Metrics:
    """Assigns each clean row to a split.

    From `exact_below` rows on, rows added later move old ones only of classes too small for all splits.
    """
    task = Spec.read(paths.clean_dir).task
    rows = read_clean_rows(paths.clean_dir, task=task, group=config.group, time=config.time)
    strategy = _resolve_strategy(config, task, rows)
    splits = _assign_splits(config, strategy, rows)
    leaks = _handle_leaks(rows, splits, config) if strategy == "official" else {}
    metrics = compute_split_metrics(rows, splits) | leaks
    if strategy != "stratified" or config.counts:  # otherwise the strategy warns about each class
        warn_about_missing_classes(rows, splits)
    folds = None
    if config.num_folds:
        folds = assign_folds(rows, splits >= SPLITS.index("test"), num_folds=config.num_folds, seed=config.seed)
        metrics |= {f"fold_{fold}": int((folds == fold).sum()) for fold in range(config.num_folds)}
    with atomic_dir(paths.split_dir) as folder:
        write_shards(folder, *_to_arrow(rows.row_ids, splits, folds))
    return metrics


def _resolve_strategy(config: Config, task: TaskName, rows: CleanRows) -> Strategy:
    if config.strategy != "auto":
        return config.strategy
    if (rows.official >= 0).any():
        return "official"
    if config.time:
        return "time"
    return "random" if task == "regression" else "stratified"


def _assign_splits(config: Config, strategy: Strategy, rows: CleanRows) -> NDArray[np.int8]:
    """Returns the split of each row, as an index into SPLITS: `[rows]`."""
    if strategy == "official":
        return split_officially(rows, config.fractions, config.counts, seed=config.seed, exact_below=config.exact_below)
    if strategy == "time":
        sizes = resolve_counts(config.counts, len(rows)) if config.counts else config.fractions
        return split_by_time(parse_times(rows.times, str(config.time)), rows.groups, sizes)
    is_stratified = strategy == "stratified" and bool(rows.classes)
    hash_config = HashSplitConfig(
        SPLITS, config.fractions, config.seed, is_stratified, config.counts, config.exact_below
    )
    return split_by_hash(rows, np.arange(len(rows)), hash_config)


def _handle_leaks(rows: CleanRows, splits: NDArray[np.int8], config: Config) -> Metrics:
    """Counts train rows that leak into other official splits, and marks them as unused in `splits` if configured."""
    is_leaking = find_leaking_rows(rows, splits)
    num_leaking = int(is_leaking.sum())
    if config.official_leaks == "drop":
        splits[is_leaking] = len(SPLITS)
    elif num_leaking:
        logger.warning(
            "%d rows of the official train split are near-duplicates of rows of other splits, or share a group with"
            " them; split.official_leaks: drop leaves them out",
            num_leaking,
        )
    return {"leaking_rows": num_leaking}


def _to_arrow(
    row_ids: NDArray[np.bytes_], splits: NDArray[np.int8], folds: NDArray[np.int8] | None
) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    columns: Mapping[str, Any] = {
        "row_id": pa.array(row_ids.astype(str), pa.string()),
        "split": pa.array(np.array([*SPLITS, UNUSED])[splits], pa.string()),
        **({} if folds is None else {"fold": pa.array(folds)}),
    }
    table = pa.table(columns)
    return table.schema, table.to_batches()
