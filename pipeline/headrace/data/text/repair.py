"""What is no text goes out of texts: control characters, HTML tags and entities; `a < b` and `<3` stay.

By expressions that know HTML's elements and not by html.parser, which takes whatever follows a `<` for a tag.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NamedTuple

# C0 but tab and newline, DEL, C1, and the byte order mark
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
INSTEAD = dict.fromkeys("\x0b\x0c\x1c\x1d\x1e\x1f", " ") | {
    # of C1, what was meant: quotes and dashes of cp1252 that were read as Latin-1
    chr(code): bytes([code]).decode("cp1252", "ignore")
    for code in range(0x80, 0xA0)
}
"""What takes a control character's place; nothing for the others."""
# only what names an element of HTML is a tag: `<name@example.org>`, `List<String>` and `a < b` are text
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
# an attribute without a value is only taken from these, else `a<b and c>d` would hold a tag
FLAGS = (
    "allowfullscreen|async|autofocus|autoplay|checked|controls|defer|disabled|hidden|loop|multiple|muted|nowrap|"
    "open|readonly|required|selected"
)
# possessive (*+, ++): nothing is tried twice, so hostile text costs no more than other
TAG = re.compile(
    rf"""</?(?P<name>{INLINE}|{BLOCK})
    (?:\s++(?:(?:{FLAGS})(?=[\s/>])|[\w:.-]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>`]++)))*+
    \s*+/?>|<!doctype\s[^<>]*+>|<!--""",
    re.IGNORECASE | re.VERBOSE,
)
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")


class RepairedText(NamedTuple):
    """A text as later stages get it, and what was mended."""

    text: str
    controls: str = ""
    """The control characters that went out."""
    num_tags: int = 0
    num_entities: int = 0


def repair(text: str, *, controls: bool = True, markup: bool = True) -> RepairedText:
    """Takes out what is asked for; always: Unix line ends, NFC, no white space around (these are no repairs)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    found, num_tags, num_entities = "", 0, 0
    if markup and "<" in text:
        text, num_tags = _without_tags(text)
    if markup and "&" in text:
        num_entities = sum(html.unescape(name) != name for name in ENTITY.findall(text))
        text = ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if controls:
        found = "".join(CONTROL.findall(text))
        if found:
            text = CONTROL.sub(lambda match: INSTEAD.get(match[0], ""), text)
    return RepairedText(unicodedata.normalize("NFC", text).strip(), found, num_tags, num_entities)


def _without_tags(text: str) -> tuple[str, int]:
    """Inline tags vanish, others part lines; comments, scripts and styles go with what they hold."""
    parts: list[str] = []
    num_tags = position = 0
    missing = set[str]()
    while match := TAG.search(text, position):
        parts.append(text[position : match.start()])
        name = (match["name"] or "").lower()
        position = match.end()
        num_tags += 1
        if match[0] == "<!--":
            position = _after(text, "-->", position, missing)
        elif name in ("script", "style") and match[0][1] != "/":
            position = _after(text, f"</{name}>", position, missing)
        parts.append("\n" if name in BLOCK_NAMES else "")
    return "".join([*parts, text[position:]]), num_tags


def _after(text: str, end: str, position: int, missing: set[str]) -> int:
    """Where `end` ends, or `position` where there is none; that it is missing is looked for once a text."""
    if end in missing:
        return position
    found = text.find(end, position)
    if found < 0:
        missing.add(end)
        return position
    return found + len(end)
