"""Decodes text: by byte order mark, as UTF-8, as stated, or by the best guess, without failing on any byte."""

from __future__ import annotations

import codecs
import re
from itertools import islice

from headrace.errors import ConfigError

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
    "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r",
    "cp932", "gb18030", "big5", "cp949", "euc_jp",
)  # fmt: skip
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
"""Encodings that are recognized, not guessed."""
BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
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


def find_foreign_words(text: str, num_words: int = 3) -> list[str]:
    """Returns the first different words with letters beyond ASCII, by which a person recognizes a wrong encoding."""
    words = (word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii())
    return list(islice(dict.fromkeys(words), num_words))


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
    from charset_normalizer import from_bytes

    matches = list(from_bytes(sample, cp_isolation=list(LEGACY)))
    if not matches:
        return "utf-8"
    best = min((match.chaos, -match.coherence) for match in matches)
    candidates = {
        name
        for match in matches
        if (match.chaos, -match.coherence) == best
        for name in (match.encoding, *match.could_be_from_charset)
    }
    return next((name for name in LEGACY if name in candidates), matches[0].encoding)
