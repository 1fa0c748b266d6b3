"""What a report consists of: sections of sentences, tables and charts, which the page and the card render."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from headrace.report.charts import LineChart

LARGE = 10_000
"""From here on, a number is written without decimals."""


class Table(NamedTuple):
    """A table with a header line."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Cells as they are shown; the first of a row names it."""
    num_text_columns: int = 1
    """The columns before the numbers, which are set to the right."""

    def drop_empty_columns(self) -> Table:
        """Returns the table without the columns that have no content in any row."""
        used = [index for index in range(len(self.columns)) if any(row[index] for row in self.rows)]
        return self._replace(
            columns=[self.columns[index] for index in used],
            rows=[[row[index] for index in used] for row in self.rows],
            num_text_columns=sum(index < self.num_text_columns for index in used),
        )


class Picture(NamedTuple):
    """A picture inside the page."""

    uri: str
    """With its data inside."""
    alt: str
    caption: str = ""


class Link(NamedTuple):
    """A link to a page beside this one."""

    address: str
    """Relative to `reports/`."""
    text: str


@dataclass(frozen=True)
class Section:
    """A part of the report under one heading."""

    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[LineChart] = ()
    pictures: Sequence[Picture] = ()
    links: Sequence[Link] = ()
    missing: str = ""
    """Why there is nothing, in one sentence."""

    @property
    def anchor(self) -> str:
        """The name of the section in addresses."""
        return self.title.lower().replace(" ", "-")


class Card(NamedTuple):
    """A number in large type, at the top of the page."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Report:
    """The whole report."""

    title: str
    verdict: str
    """One sentence: what became of the model."""
    is_registered: bool
    cards: Sequence[Card] = ()
    sections: Sequence[Section] = ()
    front_matter: Mapping[str, Any] = field(default_factory=dict)
    """The head of the model card, as Hugging Face reads it."""


def format_number(value: Any) -> str:
    """Formats a number, or the text of one, with four significant digits; other text stays as it is, None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if number.is_integer() or abs(number) >= LARGE:
        return f"{number:,.0f}"
    return f"{number:.4g}"


def format_interval(low: Any, high: Any) -> str:
    """Formats the ends of an interval; empty if one is missing."""
    return "" if low in (None, "") or high in (None, "") else f"{format_number(low)} to {format_number(high)}"


def format_name(name: str) -> str:
    """Returns the name of a metric or check in words."""
    return name.replace("_", " ")


def make_table(caption: str, records: Iterable[Mapping[str, Any]], *, num_text_columns: int = 1) -> Table | None:
    """Returns records of the same keys as a table; `x_low` and `x_high` become one column. None without records."""
    records = list(records)
    if not records:
        return None
    names = [name for name in records[0] if not name.endswith("_high")]
    rows = [
        [str(record[name]) for name in names[:num_text_columns]]
        + [_format_cell(name, record) for name in names[num_text_columns:]]
        for record in records
    ]
    return Table(caption, [_format_column(name) for name in names], rows, num_text_columns)


def _format_column(name: str) -> str:
    return f"{format_name(name.removesuffix('_low'))}, 95 %" if name.endswith("_low") else format_name(name)


def _format_cell(name: str, record: Mapping[str, Any]) -> str:
    if name.endswith("_low"):
        return format_interval(record[name], record.get(f"{name.removesuffix('_low')}_high"))
    return format_number(record[name])
