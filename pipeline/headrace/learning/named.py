"""Settings that are a name, or a name with options: `adam`, or `{name: adam, eps: 1.0e-7}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.config import Section, check
from headrace.errors import ConfigError, choices


def named(value: Any, table: Mapping[str, type[Section]], field: str) -> dict[str, Any]:
    """`{"name": ..., option: value}` of either form, its name and options checked against `table`.

    Raises ValueError as a validator of `field` does: a message of the field itself, or clauses that begin with it.
    """
    given = {"name": value} if isinstance(value, str) else value
    if not isinstance(given, dict):
        example = f"{{name: {next(iter(table))}}}"
        raise ValueError(f"got {value!r}; must be a name, or a name with options, such as {example}")  # noqa: TRY004 pydantic's
    if "name" not in given:
        raise ValueError(f"{field}.name: missing; {choices('', table)}")
    if str(given["name"]) not in table:
        place = "" if isinstance(value, str) else f"{field}.name: "
        raise ValueError(f"{place}got {given['name']!r}; {choices(str(given['name']), table)}")
    try:
        made(given, table, field)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return dict(given)


def made(given: Mapping[str, Any], table: Mapping[str, type[S]], where: str) -> S:
    """The options of a name in `table`, with their defaults; raises ConfigError that begins with `where`."""
    return check(table[given["name"]], {key: value for key, value in given.items() if key != "name"}, where)
