"""Settings: the base class of every section, and the only reader of `params.yaml`.

Includes settings that are a name, or a name with options: `adam`, or `{name: adam, eps: 1.0e-7}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from headrace.errors import ConfigError, choices


class Section(BaseModel):
    """A section of the settings: typed, frozen, without unknown keys or silent conversions."""

    # Deferred, since a process validates with few of the many classes; without use_attribute_docstrings, which would
    # parse the source of each
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


S = TypeVar("S", bound=Section)
UNION_BRANCH = re.compile(r"constrained-\w+|(literal|list|dict|function-\w+)\[.*\]")
"""Parts of the location of an error that name one of a field's types, not a key."""
KEY_MARK = "[key]"
DUPLICATE_KEY = re.compile(r'found duplicate key "(.*?)" with')
EXAMPLE = "a project of headrace init"
REQUIREMENTS = {
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "int_parsing_size": "a smaller integer",
    "string_unicode": "valid Unicode",
    "string_pattern_mismatch": "a string that matches {pattern!r}",
    "string_too_short": "of length {min_length} or more",
    "string_too_long": "of length {max_length} or less",
    "too_short": "of length {min_length} or more",
    "too_long": "of length {max_length} or less",
}
"""Pydantic's type of an error -> what the value must be; for all others pydantic's own text is used."""


def read_params(path: Path) -> dict[str, Any]:
    """Reads YAML 1.2 as DVC does; raises ConfigError if it is missing, malformed or not a mapping."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        params = YAML(typ="safe", pure=True).load(path)
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(f"{path}: no such file; run headrace from a project's folder") from None
    except (YAMLError, ValueError) as error:
        raise ConfigError(f"{path.name}:{_describe_yaml_error(error)}") from None
    if params is None:
        raise ConfigError(f"{path.name}: is empty; add sections such as 'ingest:' and 'train:', as in {EXAMPLE}")
    if not isinstance(params, dict):
        raise ConfigError(f"{path.name}: got {params!r}; must have sections such as 'ingest:' and 'train:'")
    return params


def list_dvc_deps(dvc_path: Path, stage: str) -> list[str] | None:
    """Returns the deps of a stage as they stand in a `dvc.yaml`; None if there is no such file."""
    if not dvc_path.is_file():
        return None
    entry = (read_params(dvc_path).get("stages") or {}).get(stage) or {}
    return [next(iter(dep)) if isinstance(dep, dict) else str(dep) for dep in entry.get("deps") or []]


def _describe_yaml_error(error: Exception) -> str:
    """Returns where and what: the parser often notices a mistake some lines later, so the range of lines is named."""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    start, end = getattr(error, "context_mark", None), getattr(error, "problem_mark", None)
    if duplicate := DUPLICATE_KEY.match(problem):
        return f" line {end.line + 1}: the key {duplicate[1]!r} occurs twice; remove one of them" if end else problem
    if start and end and start.line < end.line:
        return f" lines {start.line + 1} to {end.line + 1}: not YAML: {problem}; fix the mistake in these lines"
    line = f" line {end.line + 1}:" if end else ""
    return f"{line} not YAML: {problem}; fix that line, or one before it"


def validate_sections(
    params: Mapping[str, Any], sections: Mapping[str, type[Section]]
) -> tuple[dict[str, Section], list[str]]:
    """Returns the sections, and a clause with the full key for each mistake.

    A missing section has its defaults. An invalid one is returned without its invalid keys, or not at all, so that the
    others can still be compared with it.
    """
    mistakes = [
        f"{name}: unknown section; {choices(str(name), sections)}" for name in params if str(name) not in sections
    ]
    loaded: dict[str, Section] = {}
    for name, section in sections.items():
        values = {} if params.get(name) is None else params[name]
        try:
            loaded[name] = section.model_validate(values)
        except ValidationError as error:
            mistakes += describe_errors(error, section, name)
            invalid_keys = {details["loc"][0] for details in error.errors() if details["loc"]}
            if isinstance(values, dict) and invalid_keys:
                with suppress(ValidationError):
                    valid = {key: value for key, value in values.items() if key not in invalid_keys}
                    loaded[name] = section.model_validate(valid)
    return loaded, mistakes


def validate_section(section: type[S], values: Mapping[str, Any], where: str) -> S:
    """Returns a section with these values; raises ConfigError that begins with `where`."""
    try:
        return section.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError("; and ".join(describe_errors(error, section, where))) from None


def parse_named_options(value: Any, table: Mapping[str, type[Section]], field: str) -> dict[str, Any]:
    """Returns `{"name": ..., option: value}` for either form, with the name and options checked against `table`.

    Raises ValueError as a validator of `field` does: a message about the field, or clauses that begin with its name.
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
    """Returns the options of a name in `table`, with defaults; raises ConfigError that begins with `where`."""
    options = {key: value for key, value in given.items() if key != "name"}
    return validate_section(table[given["name"]], options, where)


def describe_errors(error: ValidationError, section: type[Section], where: str) -> list[str]:
    """Returns one clause per invalid setting: its full key, what it was, what is allowed."""
    by_place: dict[tuple[str, ...], list[Any]] = {}
    for details in error.errors(include_url=False):
        by_place.setdefault(_place(details["loc"]), []).append(details)
    return [
        _describe(errors, section, [where, *place])
        for place, errors in by_place.items()
        if not any(other[: len(place)] == place and other != place for other in by_place)  # they are more specific
    ]


def _place(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """Removes what is not a key: the branches of a union, and the mark of a mapping's keys."""
    place = [str(part) for part in location if not UNION_BRANCH.fullmatch(str(part))]
    if place and place[-1] in {"int", "float", "str", "bool", KEY_MARK}:
        place.pop()
    return tuple(place)


def _describe(errors: list[Any], section: type[Section], place: list[str]) -> str:
    details, key = errors[0], ".".join(place)
    if details["type"] == "extra_forbidden":
        return f"{key}: unknown key; {choices(place[-1], _fields_at(section, place[1:-1]))}"
    if details["type"] == "missing":
        return f"{key}: missing; add it"
    if details["type"] == "value_error":
        return _prefix_validator_message(details["msg"].removeprefix("Value error, "), place)
    got = f"{key}: got {details['input']!r}"
    if details["type"] == "invalid_key" or details["loc"][-1:] == (KEY_MARK,):
        return f"{got} as a key; must be a string"
    if all(other["type"] == "literal_error" for other in errors):
        expected = " or ".join(other["ctx"]["expected"] for other in errors).replace(" or ", ", ").replace("'", "")
        return f"{got}; {choices(str(details['input']), expected.split(', '))}"
    requirements = dict.fromkeys(map(_requirement, errors))
    if requirements.keys() & {"a valid number", "a finite number"}:
        requirements.pop("a valid integer", None)
    return f"{got}; must be {' or '.join(requirements)}"


def _prefix_validator_message(message: str, place: list[str]) -> str:
    """A validator may name keys inside its field, from the field on: `model.name: ...; and model.dropout: ...`."""
    if not message.startswith(f"{place[-1]}."):
        return f"{'.'.join(place)}: {message}"
    return "; and ".join(".".join([*place[:-1], clause]) for clause in message.split("; and "))


def _requirement(details: Any) -> str:
    template = REQUIREMENTS.get(details["type"])
    if template is None:
        return str(details["msg"]).removeprefix("Input should be ").removesuffix(".")
    return template.format(**details.get("ctx", {}))


def _fields_at(section: type[Section], place: list[str]) -> list[str]:
    """Returns the keys that are allowed at a place inside a section."""
    current: type[BaseModel] = section
    for part in place:
        field = current.model_fields.get(part)
        if field is None:  # the index of a list, whose items come next, or a key of the user's own
            current = getattr(current, "other_keys", current)
            continue
        types = [field.annotation, *get_args(field.annotation)]
        current = next((kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)), current)
    return list(current.model_fields)
