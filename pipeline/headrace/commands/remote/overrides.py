"""`-S train.max_epochs=3`: settings that are changed from the command line, in `params.yaml` itself."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

from headrace.config import read_params
from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.settings.load import load_settings
from headrace.storage.atomic import write_text

STYLES = list(product(((2, 2, 0), (2, 4, 2)), ("null", "")))
"""Indentations of mappings and lists, and texts of null: those that change nothing else in the file are used."""


@contextmanager
def overridden_settings(paths: Paths, assignments: Sequence[str]) -> Iterator[None]:
    """Writes `section.key=value` pairs to `params.yaml`, whose comments stay, after a check of all settings.

    `dvc exp run -S` does the same: the project then has the settings that its results are of. If an error ends the
    block, the file is as it was.

    Raises:
        ConfigError: An assignment has another form, or makes a setting invalid.
    """
    pairs = [_parse(assignment) for assignment in assignments]
    params = read_params(paths.params_path)
    for keys, value in pairs:
        _assign(params, keys, value)
    load_settings(paths, params=params)
    text = paths.params_path.read_text(encoding="utf-8")
    if pairs:
        write_text(paths.params_path, _edit(text, pairs))
    try:
        yield
    except BaseException:
        if pairs:
            write_text(paths.params_path, text)
        raise


def _parse(assignment: str) -> tuple[list[str], Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    key, equals, text = assignment.partition("=")
    keys = key.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"-S: got {assignment!r}; must be SECTION.KEY=VALUE, such as train.max_epochs=3")
    try:
        return keys, YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError):
        raise ConfigError(f"-S: {key}: {text!r} is not a value of YAML; quote it") from None


def _assign(params: Any, keys: Sequence[str], value: Any) -> None:
    """Sets a nested key; one that leads there and is empty or absent becomes a mapping."""
    *above, last = keys
    for key in above:
        if params.get(key) is None:
            params[key] = {}
        params = params[key]
        if not isinstance(params, dict):
            raise ConfigError(f"-S: {'.'.join(keys)}: {key} is {params!r} and has no keys; assign {key} as a whole")
    params[last] = value


def _edit(text: str, pairs: Sequence[tuple[list[str], Any]]) -> str:
    yaml = next(
        (yaml for yaml in map(_make_yaml, STYLES) if _dump(yaml, yaml.load(text)) == text), _make_yaml(STYLES[0])
    )
    document = yaml.load(text)
    for keys, value in pairs:
        _assign(document, keys, value)
    return _dump(yaml, document)


def _make_yaml(style: tuple[tuple[int, int, int], str]) -> Any:
    from ruamel.yaml import YAML, RoundTripRepresenter

    (mapping, sequence, offset), null = style
    yaml = YAML()
    yaml.Representer = type("Representer", (RoundTripRepresenter,), {})  # of this document only
    yaml.Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", null))
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
    return yaml


def _dump(yaml: Any, document: Any) -> str:
    buffer = io.StringIO()
    yaml.dump(document, buffer)
    return buffer.getvalue()
