"""The ways in which a column writes its numbers: decimal mark, thousands separator, currency or percent sign.

Serving imports this module: it depends on Arrow alone.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

BLANKS = r"[ \x{a0}\x{2009}\x{202f}]"
"""The blanks that separate thousands: plain, no-break, thin, narrow no-break."""
SEPARATORS = {"": "", ",": ",", ".": r"\.", " ": BLANKS, "'": r"['\x{2019}]", "_": "_"}
"""Thousands separator -> its pattern."""
PERCENT = ("%", "\u2030")
CODES = "EUR|USD|GBP|CHF|JPY|CNY|INR|PLN|CZK|SEK|NOK|DKK|HUF|CAD|AUD|BRL|MXN|ZAR|KRW|TRY|RUB|RON|SGD|HKD|NZD|THB"
AFFIX = rf"(?:(?:US|CA|AU|NZ|HK|R)?\p{{Sc}}|%|\x{{2030}}|{CODES}|Fr\.|kr|z\x{{142}}|K\x{{10d}}|Rs\.?)"
"""Currencies, percent and per mille: other units could be parts of codes, such as the K of `12K`."""
BEFORE = rf"^(?P<sign>[+-]?)(?P<affix>{AFFIX}){BLANKS}?"
AFTER = rf"{BLANKS}?(?P<affix>{AFFIX})$"


class NumberFormat(NamedTuple):
    """The notation of a column's numbers."""

    decimal: str = "."
    thousands: str = ""
    """A key of SEPARATORS."""
    affix: str = ""
    """A currency that may, or a percent sign that must, stand before or after a number; it is removed."""

    def __str__(self) -> str:
        """For example: decimal ',', thousands '.', with '%'."""
        parts = [f"decimal {self.decimal!r}"]
        parts += [f"thousands {self.thousands!r}"] if self.thousands else []
        return ", ".join(parts + ([f"with {self.affix!r}"] if self.affix else []))


PLAIN = NumberFormat()
"""Numbers as programs write them: `-1234.5`, `1e-3`."""


def matches_format(text: pa.Array, number_format: NumberFormat) -> pa.Array:
    """Whether strings without affixes (`remove_affixes`) are numbers in a notation; null where they are null."""
    decimal, separator = re.escape(number_format.decimal), SEPARATORS[number_format.thousands]
    integer = r"\d+"
    if separator:  # groups of two are Indian: 12,34,567
        integer = rf"(?:\d+|[1-9]\d{{0,2}}(?:{separator}\d{{2,3}})*{separator}\d{{3}})"
    return pc.match_substring_regex(text, rf"^[+-]?(?:{integer}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?$")


def remove_affixes(text: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Strings without a currency or percent sign at either end, and that sign (empty if there is none)."""
    text = pc.replace_substring(text, "\u2212", "-")  # the minus of typesetters
    found = [pc.struct_field(pc.extract_regex(text, pattern), "affix") for pattern in (BEFORE, AFTER)]
    affix = pc.coalesce(*found, pa.scalar(""))
    bare = pc.replace_substring_regex(pc.replace_substring_regex(text, BEFORE, r"\1"), AFTER, "")
    return bare, affix


def to_plain_notation(text: pa.Array, number_format: NumberFormat) -> pa.Array:
    """Strings in a notation -> in plain notation; null where a cell is not a number in it."""
    bare, affix = remove_affixes(text)
    allowed = [number_format.affix] if number_format.affix in PERCENT else ["", number_format.affix]
    is_number = pc.and_(matches_format(bare, number_format), pc.is_in(affix, value_set=pa.array(allowed)))
    bare = pc.if_else(is_number, bare, None)
    if number_format.thousands:
        bare = pc.replace_substring_regex(bare, SEPARATORS[number_format.thousands], "")
    if number_format.decimal != ".":
        bare = pc.replace_substring(bare, number_format.decimal, ".")
    return pc.replace_substring_regex(bare, r"^\+", "")  # the only spelling that Arrow's cast rejects
