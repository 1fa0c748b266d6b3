"""The settings of readers: the part of the section `ingest` that controls how a source is read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from headrace.config import Section
from headrace.contracts import ColumnKind


class TableFormat(Section):
    """The format of a text table; `auto` settings are inferred."""

    delimiter: str = "auto"
    """The character between cells, such as `,` or a tab; auto: the one that splits the first lines most evenly."""
    encoding: str = "auto"
    """Python name of the encoding (utf-8, cp1252); auto: by byte order mark, UTF-8, or guessed."""
    header: bool | Literal["auto"] = "auto"
    """Whether the first line contains the column names; auto: if it differs from the lines below it."""
    names: list[str] | None = None
    """Column names, for a table without a header; null: column_0, column_1, ..."""
    quoting: bool | Literal["auto"] = "auto"
    """Whether double quotes enclose cells; auto: unless that would break the lines."""
    decimal: Literal["auto", ".", ","] = "auto"
    """The decimal mark of numbers; auto: by all cells of a column, and a point where both are possible."""
    thousands: Literal["auto", "", ",", ".", " ", "'", "_"] = "auto"
    """The separator of thousands, empty for none; auto: by all cells of a column."""
    date_order: Literal["auto", "dmy", "mdy"] = "auto"
    """Whether 3/4/2024 is 3 April (dmy) or 4 March (mdy); auto: what more cells of a column fit."""
    missing: list[str | int | float] = ["", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"]
    """Cells that stand for a missing value; a number stands for both of its spellings, -999 and -999.0."""
    skip_lines: int = Field(default=0, ge=0)
    """Number of lines to skip at the beginning of a file, or of rows of a sheet."""
    sheet: str | None = None
    """The sheet of a workbook; null: the first that has rows."""

    @property
    def missing_cells(self) -> list[str]:
        """The spellings of the cells in `missing`."""
        cells: dict[str, None] = {}
        for cell in self.missing:
            cells[str(cell)] = None
            if not isinstance(cell, str) and cell == int(cell):
                cells |= dict.fromkeys((str(int(cell)), f"{int(cell)}.0"))
        return list(cells)

    @field_validator("thousands")
    @classmethod
    def _not_the_decimal_mark(cls, thousands: str, info: ValidationInfo) -> str:
        if thousands == info.data.get("decimal"):
            raise ValueError(f"got {thousands!r}, which is the decimal mark too; must differ from it, or be auto")
        return thousands

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str) -> str:
        if delimiter != "auto" and len(delimiter) != 1:
            raise ValueError(f"got {delimiter!r}; must be one character, such as ',' or \"\\t\", or auto")
        return delimiter


class ReadOptions(Section):
    """Options of the readers."""

    source: str = "mnist5k"
    """Built-in dataset, or path, glob or URL of data or an archive; relative paths start at the project."""
    task: Literal["auto", "classification", "multilabel", "regression"] = "auto"
    """The task; auto: regression if the target has many different numbers, multilabel (any number of classes per row)
    if it contains lists."""
    target: str | list[str] | None = None
    """Column to predict; null: inferred if a table leaves no doubt. Class folders have none.

    Several columns: numbers that are predicted together, or 0 and 1 for one label each.
    """
    label_separator: str | None = Field(default=None, min_length=1)
    """Separator of several labels, such as `|` in `war|comedy`; null: a row has a single label, or a list."""
    split_column: str | None = None
    """Column with the official split (train, val or test); null: none, or from the file names."""
    query: str | None = Field(default=None, min_length=1)
    """What to read from a database: the name of a table, or a query (SELECT ...); null: its only table."""
    columns: dict[str, ColumnKind | Literal["ignore"]] = {}
    """Kinds of columns that are inferred wrongly, such as `{postcode: categorical}`; ignore drops a column."""
    table: TableFormat = TableFormat()
    """The format of text tables."""
    allow_outside: bool = False
    """Whether a local table may name images outside its folder, by `..`, absolute paths or links."""
    allow_private_addresses: bool = False
    """Whether URLs in a table, and redirects, may lead to this machine and its network (loopback, 10.x, 192.168.x)."""

    @field_validator("target")
    @classmethod
    def _columns_are_different(cls, target: str | list[str] | None) -> str | list[str] | None:
        if isinstance(target, list) and (not target or len(set(target)) < len(target)):
            raise ValueError(f"got {target!r}; must be a column, or several different ones, such as [height, weight]")
        return target

    @property
    def targets(self) -> list[str]:
        """The columns in `target`; empty if it is to be inferred."""
        if self.target is None:
            return []
        return [self.target] if isinstance(self.target, str) else self.target
