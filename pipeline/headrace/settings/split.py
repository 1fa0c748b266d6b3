"""The section `split` of `params.yaml`."""

from __future__ import annotations

from math import isclose
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from headrace.config import Section
from headrace.paths import SPLITS

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
    exact_below: int = Field(default=3000, ge=0)
    """Rows: fewer fill the fractions to the row, by class, for every strategy that splits by hash; 0: none do.

    Rows added to so small a set may move old ones: about as many as are added. From this number on they move none, and
    a split is within 2 points of its fraction. The set is split anew once, where it reaches this number.
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
