"""Removes control characters and HTML tags from texts and decodes entities; `a < b` and `<3` stay.

Uses regular expressions with the names of HTML elements, because html.parser treats anything after `<` as a tag.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# C0 except tab and newline, DEL, C1, and the byte order mark
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
REPLACEMENTS = dict.fromkeys("\x0b\x0c\x1c\x1d\x1e\x1f", " ") | {
    # C1: quotes and dashes of cp1252 that were decoded as Latin-1
    chr(code): bytes([code]).decode("cp1252", "ignore")
    for code in range(0x80, 0xA0)
}
"""Replacements of control characters; the others are removed."""
# only names of HTML elements are tags: `<name@example.org>`, `List<String>` and `a < b` are text
INLINE = (
    "a|abbr|acronym|audio|b|bdi|bdo|big|canvas|cite|code|data|del|dfn|em|embed|font|i|iframe|img|input|ins|kbd|"
    "label|map|mark|math|meter|nobr|object|picture|q|rp|rt|ruby|s|samp|small|source|span|strike|strong|sub|sup|"
    "svg|time|tt|u|var|video|wbr"
)
BLOCK = (
    "address|area|article|aside|base|blockquote|body|br|button|caption|center|col|colgroup|dd|details|dialog|"
    "dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h1|h2|h3|h4|h5|h6|head|header|hr|html|"
    "legend|li|link|main|menu|meta|nav|noscript|ol|optgroup|option|output|p|param|pre|progress|script|section|"
    "select|style|summary|table|tbody|td|template|textarea|tfoot|th|thead|title|tr|track|ul"
)
BLOCK_NAMES = frozenset(BLOCK.split("|"))
# only these attributes may have no value, otherwise `a<b and c>d` would contain a tag
FLAGS = (
    "allowfullscreen|async|autofocus|autoplay|checked|controls|defer|disabled|hidden|loop|multiple|muted|nowrap|"
    "open|readonly|required|selected"
)
# possessive quantifiers (*+, ++) never backtrack, so hostile text takes linear time
TAG = re.compile(
    rf"""</?(?P<name>{INLINE}|{BLOCK})
    (?:\s++(?:(?:{FLAGS})(?=[\s/>])|[\w:.-]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>`]++)))*+
    \s*+/?>|<!doctype\s[^<>]*+>|<!--""",
    re.IGNORECASE | re.VERBOSE,
)
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")


class RepairedText(NamedTuple):
    """A repaired text and what was removed."""

    text: str
    controls: str = ""
    """The removed control characters."""
    num_tags: int = 0
    num_entities: int = 0

    @property
    def is_changed(self) -> bool:
        """Whether control characters or markup were removed."""
        return bool(self.controls or self.num_tags or self.num_entities)

    def describe(self) -> Iterator[tuple[str, str]]:
        """Yields the check and the reason of each repair."""
        if self.controls:
            names = ", ".join(f"U+{ord(character):04X}" for character in sorted(set(self.controls))[:5])
            yield "control_characters", f"{len(self.controls)} control characters ({names})"
        if self.num_tags or self.num_entities:
            yield "markup", f"{self.num_tags} HTML tags, {self.num_entities} entities"


def repair_text(text: str, *, controls: bool = True, markup: bool = True) -> RepairedText:
    """Repairs control characters and markup; Unix line endings, NFC and strip always apply and are not repairs."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    removed, num_tags, num_entities = "", 0, 0
    if markup and "<" in text:
        text, num_tags = _remove_tags(text)
    if markup and "&" in text:
        num_entities = sum(html.unescape(name) != name for name in ENTITY.findall(text))
        text = ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if controls:
        removed = "".join(CONTROL.findall(text))
        if removed:
            text = CONTROL.sub(lambda match: REPLACEMENTS.get(match[0], ""), text)
    return RepairedText(unicodedata.normalize("NFC", text).strip(), removed, num_tags, num_entities)


def _remove_tags(text: str) -> tuple[str, int]:
    """Removes inline tags, and comments, scripts and styles with their content; block tags become line breaks."""
    parts: list[str] = []
    num_tags = position = 0
    missing = set[str]()
    while match := TAG.search(text, position):
        parts.append(text[position : match.start()])
        name = (match["name"] or "").lower()
        position = match.end()
        num_tags += 1
        if match[0] == "<!--":
            position = _skip_past(text, "-->", position, missing)
        elif name in ("script", "style") and match[0][1] != "/":
            position = _skip_past(text, f"</{name}>", position, missing)
        parts.append("\n" if name in BLOCK_NAMES else "")
    return "".join([*parts, text[position:]]), num_tags


def _skip_past(text: str, end: str, position: int, missing: set[str]) -> int:
    """Returns the position after `end`, or `position` if there is none; a missing `end` is searched for only once."""
    if end in missing:
        return position
    start = text.find(end, position)
    if start < 0:
        missing.add(end)
        return position
    return start + len(end)
