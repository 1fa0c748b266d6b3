"""Split: data/clean -> data/split. Assigns every row to one split; fits nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import isclose
from typing import Annotated, Any, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from headrace.config import Section
from headrace.contracts import Metrics, Spec, TaskName
from headrace.data.splitting.clean_rows import CleanRows, read_clean_rows
from headrace.data.splitting.hash_split import HashSplitConfig, assign_folds, resolve_counts, split_by_hash
from headrace.data.splitting.metrics import compute_split_metrics, warn_about_missing_classes
from headrace.data.splitting.official_split import find_leaking_rows, split_officially
from headrace.data.splitting.time_split import parse_times, split_by_time
from headrace.paths import SPLITS, UNUSED, Paths
from headrace.storage.atomic import atomic_dir
from headrace.storage.parquet import write_shards

logger = logging.getLogger(__name__)
Strategy = Literal["auto", "stratified", "random", "group", "time", "official"]
Rows = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]


class Config(Section):
    """Which rows are used for training, validation and testing."""

    strategy: Strategy = "auto"
    """auto: official if the source has splits, else time if a time column is set, else stratified (regression: random).

    official: the source's splits; stratified: by hash, with each class in each split (multilabel: by a row's rarest
    class); random: by hash alone; group: by hash of the column `group`; time: the oldest rows for training, the newest
    for testing.
    """
    fractions: list[float] = [0.7, 0.15, 0.15]
    """Fractions of all rows for training, validation and testing; they sum to 1."""
    counts: list[Rows | None] | None = None
    """Numbers of rows for training, validation and testing, instead of fractions; one may be null: the remaining rows.

    Rows added later may then move old ones, and a split may lack a rare class.
    """
    group: Name | None = None
    """Column whose rows with equal values stay together (a patient, a camera), for every strategy but official."""
    time: Name | None = None
    """Column with the time of a row: numbers, dates, or ISO text."""
    official_leaks: Literal["keep", "drop"] = "keep"
    """What to do with train rows that are near-duplicates of rows of another official split: keep or drop them."""
    num_folds: Annotated[int, Field(ge=2, le=100)] | None = None
    """k: adds a column `fold` (0 to k - 1, by hash) for cross-validation, -1 for test rows; null: none."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the assignment of rows without an official split."""

    @field_validator("fractions")
    @classmethod
    def _three_fractions(cls, fractions: list[float]) -> list[float]:
        if len(fractions) != len(SPLITS) or min(fractions) <= 0 or not isclose(sum(fractions), 1, abs_tol=1e-6):
            raise ValueError(f"got {fractions}; must be three numbers above 0 that sum to 1, for {', '.join(SPLITS)}")
        return fractions

    @field_validator("counts")
    @classmethod
    def _three_counts(cls, counts: list[int | None] | None) -> list[int | None] | None:
        if counts is not None and (len(counts) != len(SPLITS) or counts.count(None) > 1):
            raise ValueError(f"got {counts}; must be three numbers of rows, for {', '.join(SPLITS)}; one may be null")
        return counts

    @model_validator(mode="after")
    def _column_is_named(self) -> Self:
        for strategy in ("group", "time"):
            if self.strategy == strategy and getattr(self, strategy) is None:
                raise ValueError(f"strategy is {strategy!r}, but {strategy} names no column; add split.{strategy}")
        return self


def run(config: Config, paths: Paths) -> Metrics:
    """Assigns each clean row to a split. Rows added later move old ones only of classes too small for all splits."""
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
        return split_officially(rows, config.fractions, config.counts, config.seed)
    if strategy == "time":
        sizes = resolve_counts(config.counts, len(rows)) if config.counts else config.fractions
        return split_by_time(parse_times(rows.columns.column(str(config.time)), str(config.time)), rows.groups, sizes)
    is_stratified = strategy == "stratified" and bool(rows.classes)
    hash_config = HashSplitConfig(SPLITS, config.fractions, config.seed, is_stratified, config.counts)
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
