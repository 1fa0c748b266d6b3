"""Names and values as MLflow accepts them: settings and metrics may be named after classes and columns of the data."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator

from headrace.contracts import Json

NAME_CHARACTERS = 250
VALUE_CHARACTERS = 6000
"""MLflow's limits."""
FORBIDDEN = re.compile(r"[^\w/. \-]")
"""Characters of a name to encode: those that MLflow refuses, and the colon, which marks the encoded ones."""


def encode_name(name: str) -> str:
    """Returns a name that MLflow accepts; other characters become their code point in hexadecimal between colons.

    >>> encode_name("class_weights.R&B")
    'class_weights.R:26:B'
    """
    encoded = FORBIDDEN.sub(_encode, name)
    if posixpath.normpath(encoded) != encoded or encoded in {"", "."} or encoded.startswith(("/", "..")):
        encoded = re.sub(r"[/.]", _encode, encoded) or "::"  # MLflow takes names for paths
    if len(encoded) > NAME_CHARACTERS:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        encoded = f"{encoded[: NAME_CHARACTERS - 18]}:{digest}:"
    return encoded


def decode_name(encoded: str) -> str:
    """Returns the name that `encode_name` encoded, unless that was too long for MLflow."""
    return "" if encoded == "::" else re.sub(r":([0-9a-f]+):", lambda match: chr(int(match[1], 16)), encoded)


def flatten(values: Json, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields nested settings as dotted names and values, both as text of any length."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def find_long_values(settings: Json) -> dict[str, int]:
    """Returns the settings that MLflow can only show the start of, with their number of characters."""
    return {name: len(value) for name, value in flatten(settings) if len(value) > VALUE_CHARACTERS}


def shorten(value: str) -> str:
    """Returns what MLflow can show of a value."""
    return value if len(value) <= VALUE_CHARACTERS else value[: VALUE_CHARACTERS - 3] + "..."


def quote_text(text: str) -> str:
    """Quotes a text for MLflow's searches, which know no escapes; one with both kinds of quotes is not found."""
    quote = '"' if "'" in text else "'"
    return f"{quote}{text}{quote}"


def _encode(match: re.Match[str]) -> str:
    return f":{ord(match[0]):x}:"
