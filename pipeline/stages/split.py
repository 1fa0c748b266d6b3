"""Split: data/clean -> data/split. Fits nothing; assigns every row once."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from math import isclose
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field, field_validator

from pipeline.config import Section
from pipeline.contracts import Metrics
from pipeline.errors import DataError
from pipeline.paths import SPLITS, Paths
from pipeline.storage.atomic import atomic_dir
from pipeline.storage.tables import read_table, write_shards

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)


class Config(Section):
    """Which rows are for training, for validation and for the test."""

    strategy: Literal["auto", "stratified", "official"] = "auto"
    """official: as the source has it; stratified: by hash, each class in each split; auto: official if there is one."""
    fractions: list[float] = [0.7, 0.15, 0.15]
    """Shares of training, validation and test, of all rows; they sum to 1."""
    seed: int = Field(default=0, ge=0)
    """Another seed, another assignment of rows that have no official one."""

    @field_validator("fractions")
    @classmethod
    def _three_shares(cls, fractions: list[float]) -> list[float]:
        if len(fractions) != len(SPLITS) or min(fractions) <= 0 or not isclose(sum(fractions), 1, abs_tol=1e-6):
            raise ValueError(f"got {fractions}; must be three numbers above 0 that sum to 1, for {', '.join(SPLITS)}")
        return fractions


class _Row(NamedTuple):
    row_id: str
    label: str
    split: str | None


class _Interval(NamedTuple):
    """The rows whose place lies in [low, high) belong to `split`."""

    split: str
    low: float
    high: float

    def distance(self, place: float) -> float:
        return max(self.low - place, place - self.high, 0.0)


def run(config: Config, paths: Paths) -> Metrics:
    """Assigns each clean row; adding rows moves no old one, but where a class was too small to be in every split."""
    table = read_table(paths.clean_dir, ["row_id", "label", "split"])
    rows = [_Row(*values) for values in zip(*(column.to_pylist() for column in table.columns), strict=True)]
    is_official = config.strategy == "official" or (config.strategy == "auto" and any(row.split for row in rows))
    if is_official:
        splits = _official(rows, config)
    else:
        splits = assign({row.row_id: row.label for row in rows}, SPLITS, config.fractions, seed=config.seed)
    with atomic_dir(paths.split_dir) as folder:
        write_shards(folder, *_as_arrow(splits))
    assigned = list(splits.values())
    return {split: assigned.count(split) for split in SPLITS}


def assign(labels: Mapping[str, str], splits: Sequence[str], shares: Sequence[float], *, seed: int) -> dict[str, str]:
    """Row id -> split, by a hash of the row id alone, which rows that come later cannot change.

    `labels` are by row id. The one exception: a class that would be absent from a split sends it the row that lies
    nearest to it, which may return when the class has grown. `shares` are positive, of any sum.
    """
    ends = [end / sum(shares) for end in accumulate(shares)]
    ends[-1] = 1.0  # whatever the rounding
    intervals = [_Interval(*bounds) for bounds in zip(splits, [0.0, *ends[:-1]], ends, strict=True)]
    places = {row_id: place(row_id, seed) for row_id in labels}
    assigned = {row_id: splits[bisect_right(ends, where)] for row_id, where in places.items()}
    return assigned | _moves(labels, assigned, places, intervals)


def place(row_id: str, seed: int) -> float:
    """Where a row lies in [0, 1), evenly spread and the same for ever."""
    digest = blake2b(row_id.encode(), key=str(seed).encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48  # 48 bits: exact in a float, and never rounded up to 1


def _moves(
    labels: Mapping[str, str], assigned: Mapping[str, str], places: Mapping[str, float], intervals: list[_Interval]
) -> dict[str, str]:
    """The rows that move so that no class is absent from a split: of those that can be spared the nearest to it."""
    by_class: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row_id in sorted(labels):
        by_class[labels[row_id]][row_id] = assigned[row_id]
    moves: dict[str, str] = {}
    for label, own in by_class.items():
        for interval in intervals:
            sizes = Counter(own.values())
            spare = [row_id for row_id, split in own.items() if sizes[split] > 1]
            if sizes[interval.split]:
                continue
            if not spare:
                log.warning("class %r has too few rows (%d) to be in split %r too", label, len(own), interval.split)
                continue
            nearest = min(spare, key=lambda row_id: interval.distance(places[row_id]))
            own[nearest] = moves[nearest] = interval.split
    return moves


def _official(rows: Iterable[_Row], config: Config) -> dict[str, str]:
    """The splits of the source; those that it lacks are carved out of its training rows, by hash."""
    given = {row.row_id: row.split for row in rows if row.split}
    if "train" not in given.values():
        raise DataError(
            "params.yaml: split.strategy: 'official', but no clean row is in an official 'train' split;"
            " choose 'stratified', or put images below a folder 'train'"
        )
    lacking = ["train", *(split for split in SPLITS if split not in given.values())]
    shares = [config.fractions[SPLITS.index(split)] for split in lacking]
    open_rows = {row.row_id: row.label for row in rows if row.split in {None, "train"}}
    return {**given, **assign(open_rows, lacking, shares, seed=config.seed)}


def _as_arrow(splits: Mapping[str, str]) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    """Sorted by row id, so that the order of the source does not show."""
    import pyarrow as pa

    row_ids = sorted(splits)
    schema = pa.schema([("row_id", pa.string()), ("split", pa.string())])
    table = pa.table([row_ids, [splits[row_id] for row_id in row_ids]], schema=schema)
    return schema, table.to_batches()
