"""The keys of `contract.yaml`, and its reader."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from headrace.config import Section, describe_errors, read_params
from headrace.contracts import ColumnKind
from headrace.errors import ConfigError

RowAction = Literal["drop", "warn", "stop"]
"""Quarantine the row, only report it, or end the stage."""
CellAction = Literal["drop", "repair", "warn", "stop"]
"""Likewise; repair changes the cell, and stores the original beside the row."""
TotalAction = Literal["warn", "stop"]
Share = Annotated[float, Field(ge=0, le=1)]
Value = str | int | float


def _dates_as_text(value: Any) -> Any:
    """YAML reads an unquoted 2024-01-31 as a date."""
    return value.isoformat() if isinstance(value, dt.date) else value


Limit = Annotated[float | str | None, BeforeValidator(_dates_as_text)]


class KindRule(Section):
    """What the cells of a column are."""

    expected: ColumnKind
    """The kind that `ingest` shall find, or be given."""
    action: TotalAction = "stop"
    """What happens if it finds another."""


class Limits(Section):
    """The smallest and largest value; at least one of them."""

    min: Limit = None
    """Number, hours of a time of day, or ISO date; null: no limit."""
    max: Limit = None
    """Likewise."""

    @model_validator(mode="after")
    def _has_a_side(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("must have min or max, such as {min: 0}")
        return self


class LabelRange(Limits):
    """Between which numbers a target is."""

    action: RowAction = "warn"
    """What happens to a row with a value outside."""


class RangeRule(Limits):
    """Between which values a cell is."""

    action: CellAction = "warn"
    """What happens to a row with a value outside; repair: the value becomes the limit."""


class LabelValues(Section):
    """The set of allowed classes or labels."""

    allowed: Annotated[list[Value], Field(min_length=1)]
    """Texts as they stand in the source, or numbers."""
    action: RowAction = "warn"
    """What happens to a row with another one."""


class ValuesRule(Section):
    """The set of allowed cells."""

    allowed: Annotated[list[Value], Field(min_length=1)]
    """Texts as they stand in the source, or numbers."""
    action: CellAction = "warn"
    """What happens to a row with another value; repair: the cell becomes missing."""


class PatternRule(Section):
    """The form of the cells."""

    regex: str
    """In RE2's syntax; the whole cell must match."""
    action: CellAction = "warn"
    """What happens to a row with another cell; repair: it becomes missing."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        try:
            pc.match_substring_regex(pa.array([""]), regex)
        except pa.ArrowInvalid as error:
            raise ValueError(f"got {regex!r}; must be a regular expression of RE2 ({error})") from None
        return regex


class RowRule(Section):
    """A rule without options of its own."""

    action: RowAction = "warn"
    """What happens to a row that breaks it."""


class MissingRule(Section):
    """How many cells may be missing."""

    max_share: Share
    """Fraction of the accepted rows."""
    action: TotalAction = "warn"
    """What happens if more are."""


class ColumnContract(Section):
    """The rules of one column; all are optional, and missing cells break none but `required` and `missing`."""

    kind: KindRule | None = None
    """Numbers, categories, dates, times of day, texts."""
    range: RangeRule | None = None
    """For numbers, dates and times."""
    values: ValuesRule | None = None
    """For categories and numbers."""
    pattern: PatternRule | None = None
    """For cells of any kind, as they stand in the source."""
    unique: RowRule | None = None
    """No cell occurs twice; rows after the first break it."""
    required: RowRule | None = None
    """No cell is missing."""
    missing: MissingRule | None = None
    """At most this many are."""


class SharesRule(Section):
    """The fractions of the classes."""

    expected: dict[str, Share]
    """Class -> its fraction of the accepted rows."""
    tolerance: Share = 0.1
    """By how much a fraction may differ, up or down."""
    action: TotalAction = "warn"
    """What happens if one differs by more, or a class is missing or new."""


class TargetContract(Section):
    """The rules of the target."""

    values: LabelValues | None = None
    """The classes, or labels."""
    range: LabelRange | None = None
    """For regression with one target."""
    shares: SharesRule | None = None
    """For classification."""


class AcceptedColumn(Section):
    """How often which values of a column occurred."""

    edges: list[float] | None = None
    """Numbers: upper ends of all bins but the last."""
    values: list[str] | None = None
    """Categories: the values, the commonest first."""
    counts: list[Annotated[int, Field(ge=0)]]
    """Rows of each bin or value, then of other values, then of missing cells."""


class DriftRule(Section):
    """How far columns may drift from the rows of which the contract was proposed."""

    max_psi: Annotated[float, Field(ge=0)] = 0.25
    """Largest population stability index, beyond what so few rows have by chance: 0.1 is a shift, 0.25 a large one."""
    action: TotalAction = "warn"
    """What happens beyond it."""
    columns: dict[str, AcceptedColumn] = {}
    """Column -> its values in the accepted rows."""


class Contract(Section):
    """What holds for every row of the data, now and later."""

    missing_columns: TotalAction = "stop"
    """What happens if a column below is no input any more."""
    unknown_columns: TotalAction = "warn"
    """What happens if there is an input that is not below."""
    columns: dict[str, ColumnContract] = {}
    """Column, by its name in the source -> its rules; of images and texts a measure, such as width or words."""
    target: TargetContract = TargetContract()
    """The rules of the target."""
    drift: DriftRule | None = None
    """null: drift is not measured."""


def read_contract(path: Path) -> Contract:
    """Reads `contract.yaml`; raises ConfigError that lists all mistakes by their keys."""
    try:
        return Contract.model_validate(read_params(path))
    except ValidationError as error:
        clauses = describe_errors(error, Contract, path.name)
        raise ConfigError("; and ".join(clause.replace(".yaml.", ".yaml: ", 1) for clause in clauses)) from None
