"""Decodes text: by byte order mark, as UTF-8, as stated, or by the best guess, without failing on any byte."""

from __future__ import annotations

import codecs
import re
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING

from headrace.contracts import Assumption
from headrace.errors import ConfigError

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

SAMPLE_BYTES = 64 * 1024
"""Sample for guessing (a larger one is slower, not better); fewer bytes are taken for an entire file."""
MARKS = (  # longer ones first: that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# the likelier encodings first: a short text fits many of them equally well
LEGACY = (
    "cp1252", "cp1251", "cp1250", "iso8859_2", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r",
    "cp932", "gb18030", "big5", "cp949", "euc_jp",
)  # fmt: skip
UTF8 = ("utf-8", "utf-8-sig")
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
"""Encodings that are recognized, not guessed."""
BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
FOREIGN_WORD = re.compile(r"\S*[^\x00-\x7f]\S*")
MAX_WORDS = 5000
NARROW_KANA = re.compile("[\uff61-\uff9f]")
APOSTROPHES = "\u2019\u2018\xb4\xb7\u2013"
SCRIPTS = {"LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC"}
"""Scripts that are not mixed within a word."""
ODD_TOLERANCE = 0.02
FEW_BYTES = 2
"""So few different bytes beyond ASCII show no language: Western Europe is assumed where it is plausible."""
SURROGATES = re.compile("[\ud800-\udfff]")
NUL_FRACTION = 0.2
"""Minimum fraction of zeros in every other byte of UTF-16 without a mark; spaces and digits alone reach it."""


def decode_text(data: bytes, encoding: str = "auto") -> str:
    """Decodes bytes, without a byte order mark; undecodable bytes become U+FFFD, line ends are unchanged.

    `encoding` is an encoding of Python, or auto (`detect_encoding`). Raises ConfigError for any other.
    """
    name = detect_encoding(data) if encoding == "auto" else check_encoding(encoding)
    text = data.decode(name, "replace")
    if name not in ("utf-8", "utf-8-sig"):  # some codecs let lone surrogates through
        text = SURROGATES.sub("\ufffd", text)
    return text.removeprefix("\ufeff")


def _find_foreign_words(text: str, num_words: int = 3) -> list[str]:
    """Returns the first different words with letters beyond ASCII, by which a person recognizes a wrong encoding."""
    words = (word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii())
    return list(islice(dict.fromkeys(words), num_words))


def describe_encoding(encoding: str, file: str, beginning: bytes) -> Assumption:
    """Returns the remark about a file that is not UTF-8; a guess, unless it is another encoding of Unicode."""
    words = _find_foreign_words(beginning.decode(encoding, "replace"))
    shown = f", with words such as {', '.join(map(repr, words))}" if words else ""
    is_guess = encoding not in UNICODE
    text = f"{file} is read as {encoding}, {'the likeliest guess' if is_guess else 'by its first bytes'}{shown}"
    return Assumption(
        stage="ingest", subject="encoding", text=text, setting="ingest.table.encoding: cp1250", is_warning=is_guess
    )


def check_encoding(encoding: str) -> str:
    """Returns Python's name of a text encoding; raises ConfigError for an unknown one."""
    try:
        b"a".decode(encoding, "replace")  # a lookup would also accept codecs for other data, such as rot13
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise ConfigError(
            f"params.yaml: ingest.table.encoding: {encoding!r} is not a text encoding of Python;"
            " use utf-8, utf-16, cp1252, shift_jis or another one, or auto"
        ) from None


def detect_encoding(sample: bytes) -> str:
    """Returns Python's name of the most likely encoding of bytes, or of the beginning of a file.

    Decides by the byte order mark, then for valid UTF-8, then for UTF-16 by its zero bytes, then for the most plausible
    of LEGACY. Slightly damaged UTF-8, and bytes that are not text, count as UTF-8, so that U+FFFD marks the damage.
    """
    for mark, name in MARKS:
        if sample.startswith(mark):
            return name
    if b"\0" in sample:
        return _detect_utf16(sample[:SAMPLE_BYTES]) or "utf-8"
    if _is_utf8(sample):
        return "utf-8"
    # ASCII is the same in all of these encodings: the sample can begin where it ends
    begin = BEYOND_ASCII.search(sample)
    start = max(0, begin.start() - 1024 if begin else 0)
    sample = sample[start : start + SAMPLE_BYTES]
    return "utf-8" if _is_damaged_utf8(sample) else _guess(sample)


def _is_utf8(sample: bytes) -> bool:
    """Whether bytes are UTF-8; a sample, unlike an entire file, may end within a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=len(sample) < SAMPLE_BYTES)
    except UnicodeDecodeError:
        return False
    return True


def _detect_utf16(sample: bytes) -> str | None:
    """Detects UTF-16 without a mark: one of two neighbouring bytes is often 0, the other rarely."""
    half = max(1, len(sample) // 2)
    high_first, low_first = sample[::2].count(0) / half, sample[1::2].count(0) / half
    for name, high, low in (("utf-16-be", high_first, low_first), ("utf-16-le", low_first, high_first)):
        if high >= NUL_FRACTION and low < high / 10:
            return name
    return None


def _is_damaged_utf8(sample: bytes) -> bool:
    """Whether more non-ASCII characters are valid UTF-8 than broken; in other encodings, hardly any are."""
    text = sample.decode("utf-8", "replace")
    num_broken = text.count("\ufffd")
    return sum(character > "\x7f" for character in text) > 2 * num_broken


def _guess(sample: bytes) -> str:
    """The likeliest of LEGACY by charset-normalizer, unless others decode into clearly more plausible words.

    It weighs languages, of which a column of a few names shows little; utf-8 if nothing is plausible.
    """
    from charset_normalizer import from_bytes

    matches = list(from_bytes(sample, cp_isolation=list(LEGACY)))
    odd_by_name = {
        name: _odd_fraction(text, name) for name in LEGACY if (text := _decode_strictly(sample, name)) is not None
    }
    if not odd_by_name:
        return "utf-8"
    least = min(odd_by_name.values())
    plausible = [name for name, odd in odd_by_name.items() if odd <= least + ODD_TOLERANCE]
    if not matches:
        return plausible[0] if least <= ODD_TOLERANCE else "utf-8"
    if plausible[0] == LEGACY[0] and len(set(BEYOND_ASCII.findall(sample))) <= FEW_BYTES:
        return plausible[0]
    ranked = [match for match in matches if {match.encoding, *match.could_be_from_charset} & set(plausible)]
    if not ranked:
        return plausible[0]
    best = min(_rank(match) for match in ranked)
    candidates = {
        name for match in ranked if _rank(match) == best for name in (match.encoding, *match.could_be_from_charset)
    }
    return next(name for name in [*plausible, *candidates] if name in candidates)


def _rank(match: CharsetMatch) -> tuple[float, float]:
    """Smaller is likelier; smaller differences say nothing about a few words."""
    return round(match.chaos, 1), -round(match.coherence, 1)


def _decode_strictly(sample: bytes, encoding: str) -> str | None:
    """The decoded sample; None if it is not valid, except for a character that is cut off at its end."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return None


def _odd_fraction(text: str, encoding: str) -> float:
    """The fraction of the characters beyond ASCII that do not fit into their words, over all different words."""
    words: set[str] = set(islice(FOREIGN_WORD.findall(text), MAX_WORDS))
    foreign = [(word, place) for word in words for place, character in enumerate(word) if character > "\x7f"]
    num_odd = sum(_is_odd(word, place) for word, place in foreign)
    if encoding == "gb18030":  # it decodes almost any bytes, into rare characters
        num_odd += sum(_is_rare_chinese(word[place]) for word, place in foreign)
    num_narrow = sum(NARROW_KANA.fullmatch(word[place]) is not None for word, place in foreign)
    if num_narrow > len(foreign) / 2:  # Chinese that is decoded as Japanese
        num_odd += num_narrow
    return num_odd / max(1, len(foreign))


def _is_rare_chinese(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return _script(character) == "CJK"
    return False


def _is_odd(word: str, place: int) -> bool:
    """Whether a character is of another script than a neighbour, a capital after a small letter, a sign in a word."""
    character = word[place]
    before, after = word[:place][-1:], word[place + 1 :][:1]
    if not character.isalpha():
        category = unicodedata.category(character)
        if category == "Cc" or (category[0] == "M" and not before.isalpha()):
            return True
        if _script(after) not in SCRIPTS:  # no word goes on
            return False
        return category[0] in "SN" or (_script(before) in SCRIPTS and character not in APOSTROPHES)
    script = _script(character)
    neighbours = {_script(other) for other in (before, after)} - {""}
    if script == "LATIN" and min(before, after) > "\x7f":  # words of Latin letters have some of ASCII
        return True
    return bool((neighbours | {script}) & SCRIPTS and neighbours - {script}) or (
        character.isupper() and before.islower()
    )


def _script(character: str) -> str:
    """The first word of a letter's name: LATIN, CYRILLIC, CJK ...; empty for no letter."""
    if not character.isalpha():
        return ""
    return unicodedata.name(character, "").partition(" ")[0]
