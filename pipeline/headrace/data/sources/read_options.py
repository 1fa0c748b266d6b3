"""How a source is to be read: the part of the section `ingest` that readers need."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from headrace.config import Section
from headrace.contracts import ColumnKind


class TableFormat(Section):
    """How the text of a table is written; whatever is `auto` is found out."""

    delimiter: str = "auto"
    """One character between cells, such as `,` or a tab; auto: the one that parts the first lines most evenly."""
    encoding: str = "auto"
    """Of text files, as Python names it (utf-8, cp1252); auto: UTF-8 or by byte order mark, else guessed."""
    header: bool | Literal["auto"] = "auto"
    """Whether the first line names the columns; auto: where it looks unlike the lines below it."""
    names: list[str] | None = None
    """Names of the columns, for a table without a header; null: column_0, column_1 and on."""
    quoting: bool | Literal["auto"] = "auto"
    """Whether double quotes enclose cells; auto: unless that would tear the lines."""
    missing: list[str] = ["", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"]
    """Cells that mean that there is no value."""
    skip_lines: int = Field(default=0, ge=0)
    """Lines to leave out at a file's beginning."""

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str) -> str:
        if delimiter != "auto" and len(delimiter) != 1:
            raise ValueError(f"got {delimiter!r}; must be one character, such as ',' or \"\\t\", or auto")
        return delimiter


class ReadOptions(Section):
    """What a reader may be told about a source."""

    source: str = "mnist5k"
    """Built-in set, path, glob or URL of data or of an archive; paths are absolute, below ~, or in the project."""
    task: Literal["auto", "classification", "multilabel", "regression"] = "auto"
    """What a model will be asked for; auto: regression where the target has many different numbers, multilabel (a row
    has any number of classes) where it holds lists."""
    target: str | list[str] | None = None
    """Column to predict; null: found, where a table leaves no doubt. A folder by class has none.

    Several: columns of numbers that are predicted together, or, each a label's, of 0 and 1.
    """
    label_separator: str | None = Field(default=None, min_length=1)
    """What stands between the labels of a row, such as `|` in `war|comedy`; null: a row has one, or a list."""
    split_column: str | None = None
    """Column that says train, val or test; null: none, or that of the files' names."""
    columns: dict[str, ColumnKind | Literal["ignore"]] = {}
    """Kinds of columns that are guessed wrongly, such as `{postcode: categorical}`; ignore leaves one out."""
    table: TableFormat = TableFormat()
    """How the text of a table is written; of tables only."""

    @field_validator("target")
    @classmethod
    def _columns_are_different(cls, target: str | list[str] | None) -> str | list[str] | None:
        if isinstance(target, list) and (not target or len(set(target)) < len(target)):
            raise ValueError(f"got {target!r}; must be a column, or several different ones, such as [height, weight]")
        return target

    @property
    def targets(self) -> list[str]:
        """The columns of `target`; none where it is to be found."""
        if self.target is None:
            return []
        return [self.target] if isinstance(self.target, str) else self.target
