"""Split: data/clean -> data/split. Fits nothing; assigns every row once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import isclose
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from headrace.config import Section
from headrace.contracts import Metrics, Spec, TaskName
from headrace.paths import SPLITS, UNUSED, Paths

if TYPE_CHECKING:
    from headrace.data.splitting.clean_rows import CleanRows

log = logging.getLogger(__name__)
Strategy = Literal["auto", "stratified", "random", "group", "time", "official"]
Rows = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]


class Config(Section):
    """Which rows are for training, for validation and for the test."""

    strategy: Strategy = "auto"
    """auto: official if the source has splits, else by time or group where such a column is given, else stratified.

    official: as the source has it; stratified: by hash, each class (of several a row the rarest) in each split;
    random: by hash alone (what auto means for regression); group: by hash of the column `group`; time: oldest rows
    train, newest test.
    """
    fractions: list[float] = [0.7, 0.15, 0.15]
    """Shares of training, validation and test, of all rows; they sum to 1."""
    counts: list[Rows | None] | None = None
    """Rows of training, validation and test instead of shares; one may be null: the rest.

    Rows added later may move old ones, and rare classes fall as they may.
    """
    group: Name | None = None
    """Column whose rows of one value stay together (a patient, a camera), whatever the strategy by hash."""
    time: Name | None = None
    """Column that says when: numbers, dates, or ISO text."""
    official_leaks: Literal["keep", "drop"] = "keep"
    """Train rows that are near-duplicates of rows of another official split: keep them, or use them for nothing."""
    num_folds: Annotated[int, Field(ge=2, le=100)] | None = None
    """k: adds a column `fold` (0 to k - 1, by hash) for cross-validation, -1 for test rows; null: none."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Another seed, another assignment of rows that have no official one."""

    @field_validator("fractions")
    @classmethod
    def _three_shares(cls, fractions: list[float]) -> list[float]:
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
    """Assigns each clean row; adding rows moves no old one, but where a class was too small to be in every split."""
    from headrace.data.splitting.clean_rows import read_clean_rows
    from headrace.data.splitting.hash_split import assign_folds
    from headrace.data.splitting.metrics import compute_split_metrics, warn_about_missing_classes
    from headrace.storage.atomic import atomic_dir
    from headrace.storage.parquet import write_shards

    task = Spec.read(paths.clean_dir).task
    rows = read_clean_rows(paths.clean_dir, task=task, group=config.group, time=config.time)
    strategy = _strategy(config, task, rows)
    found = _found(config, strategy, rows)
    leaks = _leaks(rows, found, config) if strategy == "official" else {}
    metrics = compute_split_metrics(rows, found) | leaks
    if strategy != "stratified" or config.counts:  # else told class by class
        warn_about_missing_classes(rows, found)
    dealt = None
    if config.num_folds:
        dealt = assign_folds(rows, found >= SPLITS.index("test"), num_folds=config.num_folds, seed=config.seed)
        metrics |= {f"fold_{fold}": int((dealt == fold).sum()) for fold in range(config.num_folds)}
    with atomic_dir(paths.split_dir) as folder:
        write_shards(folder, *_as_arrow(rows.row_ids, found, dealt))
    return metrics


def _strategy(config: Config, task: TaskName, rows: CleanRows) -> Strategy:
    if config.strategy != "auto":
        return config.strategy
    if (rows.official >= 0).any():
        return "official"
    if config.time:
        return "time"
    return "random" if task == "regression" else "stratified"


def _found(config: Config, strategy: Strategy, rows: CleanRows) -> NDArray[np.int8]:
    """Indices into SPLITS: `[rows]`."""
    from headrace.data.splitting.hash_split import HashSplitConfig, split_by_hash, resolve_counts
    from headrace.data.splitting.official_split import split_officially
    from headrace.data.splitting.time_split import split_by_time, parse_times

    if strategy == "official":
        return split_officially(rows, config.fractions, config.counts, config.seed)
    if strategy == "time":
        shares = resolve_counts(config.counts, len(rows)) if config.counts else config.fractions
        return split_by_time(parse_times(rows.columns.column(str(config.time)), str(config.time)), rows.units, shares)
    is_stratified = strategy == "stratified" and bool(rows.classes)
    wish = HashSplitConfig(SPLITS, config.fractions, config.seed, is_stratified, config.counts)
    return split_by_hash(rows, np.arange(len(rows)), wish)


def _leaks(rows: CleanRows, found: NDArray[np.int8], config: Config) -> Metrics:
    """Counts what leaks between official splits, and takes it out of `found` where that is asked for."""
    from headrace.data.splitting.official_split import find_leaking_rows

    is_leaking = find_leaking_rows(rows, found)
    num_leaking = int(is_leaking.sum())
    if config.official_leaks == "drop":
        found[is_leaking] = len(SPLITS)
    elif num_leaking:
        log.warning(
            "%d rows of the official train split are near-duplicates of rows of other splits, or share a group with"
            " them; split.official_leaks: drop leaves them out",
            num_leaking,
        )
    return {"leaking_rows": num_leaking}


def _as_arrow(
    row_ids: NDArray[np.bytes_], found: NDArray[np.int8], folds: NDArray[np.int8] | None
) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    """Sorted by row id, so that the order of the source does not show."""
    columns: Mapping[str, Any] = {
        "row_id": pa.array(row_ids.astype(str), pa.string()),
        "split": pa.array(np.array([*SPLITS, UNUSED])[found], pa.string()),
        **({} if assign_folds is None else {"fold": pa.array(assign_folds)}),
    }
    table = pa.table(columns)
    return table.schema, table.to_batches()
