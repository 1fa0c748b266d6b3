"""Settings: the base class of every section, and the only reader of `params.yaml`.

Settings that are a name, or a name with options: `adam`, or `{name: adam, eps: 1.0e-7}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from headrace.errors import ConfigError, choices


class Section(BaseModel):
    """A section of the settings: typed, frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


S = TypeVar("S", bound=Section)
UNION_BRANCH = re.compile(r"constrained-\w+|(literal|list|dict|function-\w+)\[.*\]|int|float|str|bool")


def read_params(path: Path) -> dict[str, Any]:
    """Reads YAML 1.2 as DVC does; raises ConfigError when it is missing, malformed or no mapping."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        params = YAML(typ="safe").load(path)
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(f"{path}: no such file; run headrace from a project's folder") from None
    except (MarkedYAMLError, YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{path.name}:{line} not YAML: {problem}; mend that line") from None
    if not isinstance(params, dict):
        raise ConfigError(f"{path.name}: must hold sections such as 'ingest:' and 'train:', got {params!r}")
    return params


def load_sections(path: Path, sections: Mapping[str, type[Section]]) -> dict[str, Section]:
    """Checks the whole file and returns its sections; a missing section has its defaults.

    Raises ConfigError that names every mistake by its full key.
    """
    params = read_params(path)
    mistakes = [
        f"{name}: unknown section; {choices(str(name), sections)}" for name in params if str(name) not in sections
    ]
    build_options: dict[str, Section] = {}
    for name, section in sections.items():
        try:
            build_options[name] = section.model_validate({} if params.get(name) is None else params[name])
        except ValidationError as error:
            mistakes += mistakes_of(error, section, name)
    if mistakes:
        raise ConfigError(f"{path.name}: " + "; and ".join(mistakes))
    return build_options


def check(section: type[S], values: Mapping[str, Any], where: str) -> S:
    """Makes one section of plain values; raises ConfigError that begins with `where`."""
    try:
        return section.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError("; and ".join(mistakes_of(error, section, where))) from None


def mistakes_of(error: ValidationError, section: type[Section], where: str) -> list[str]:
    """One clause a mistake: the full key, what was got, what is allowed."""
    by_place: dict[tuple[str, ...], list[Any]] = {}
    for details in error.errors(include_url=False):
        place = [str(part) for part in details["loc"]]
        if place and UNION_BRANCH.fullmatch(place[-1]):  # pydantic tells of each kind that a value might have had
            place.pop()
        by_place.setdefault(tuple(place), []).append(details)
    return [_mistake(found, section, [where, *place]) for place, found in by_place.items()]


def _mistake(found: list[Any], section: type[Section], place: list[str]) -> str:
    details, key = found[0], ".".join(place)
    if details["type"] == "extra_forbidden":
        return f"{key}: unknown key; {choices(place[-1], _fields_at(section, place[1:-1]))}"
    if details["type"] == "missing":
        return f"{key}: missing; add it"
    if details["type"] == "value_error":
        return _told_by_validator(details["msg"].removeprefix("Value error, "), place)
    if details["type"] == "literal_error" and len(found) == 1:
        allowed = details["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return f"{key}: got {details['input']!r}; {choices(str(details['input']), allowed)}"
    return f"{key}: got {details['input']!r}; must be {' or '.join(_wanted(other) for other in found)}"


def _told_by_validator(message: str, place: list[str]) -> str:
    """A validator may name keys inside its field, from the field on: `model.name: ...; and model.dropout: ...`."""
    if not message.startswith(f"{place[-1]}."):
        return f"{'.'.join(place)}: {message}"
    return "; and ".join(".".join([*place[:-1], clause]) for clause in message.split("; and "))


def _wanted(details: Any) -> str:
    if details["type"] in {"model_type", "dict_type"}:
        return "keys and values"
    return str(details["msg"]).removeprefix("Input should be ").removesuffix(".")


def _fields_at(section: type[Section], location: list[str]) -> list[str]:
    """The keys that are allowed at a place inside a section."""
    found: type[BaseModel] = section
    for part in location:
        field = found.model_fields.get(part)
        if field is None:
            continue  # an index of a list: the fields are those of its items, found below
        kinds = [field.annotation, *get_args(field.annotation)]
        found = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), found)
    return list(found.model_fields)


def parse_named_options(value: Any, table: Mapping[str, type[Section]], field: str) -> dict[str, Any]:
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
        build_options(given, table, field)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return dict(given)


def build_options(given: Mapping[str, Any], table: Mapping[str, type[S]], where: str) -> S:
    """The options of a name in `table`, with their defaults; raises ConfigError that begins with `where`."""
    return check(table[given["name"]], {key: value for key, value in given.items() if key != "name"}, where)
