"""Bytes to text: by byte order mark, as UTF-8, as stated, or as best guessed; nothing ever fails on a byte."""

from __future__ import annotations

import codecs
import re

from headrace.errors import ConfigError

SAMPLE_BYTES = 64 * 1024
"""What a guess is made from (more makes it slower, not better); fewer bytes are taken for a whole file."""
MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# what text that is no UTF-8 is written in, the likelier first: short texts fit many of them equally well
LEGACY = (
    "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r",
    "cp932", "gb18030", "big5", "cp949", "euc_jp",
)  # fmt: skip
BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
SURROGATES = re.compile("[\ud800-\udfff]")
NUL_SHARE = 0.2
"""Of every other byte, from which on bytes without a mark are taken for UTF-16: spaces and digits give as many."""


def decode_text(data: bytes, encoding: str = "auto") -> str:
    """Text of bytes, without a byte order mark; undecodable bytes become U+FFFD, line ends stay as they are.

    `encoding` is a name that Python knows, or auto (`detect`). Raises ConfigError for any other.
    """
    name = detect(data) if encoding == "auto" else check_encoding(encoding)
    text = data.decode(name, "replace")
    if name not in ("utf-8", "utf-8-sig"):  # some codecs let halves of surrogate pairs through
        text = SURROGATES.sub("\ufffd", text)
    return text.removeprefix("\ufeff")


def check_encoding(encoding: str) -> str:
    """Python's name of an encoding of text; raises ConfigError for a name that is none."""
    try:
        b"a".decode(encoding, "replace")  # a lookup would find codecs that are not of text, such as rot13
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise ConfigError(
            f"params.yaml: ingest.table.encoding: {encoding!r} is no encoding that Python knows;"
            " use utf-8, utf-16, cp1252, shift_jis or another of Python's, or auto"
        ) from None


def detect(sample: bytes) -> str:
    """Python's name of the encoding that bytes, or the first of them, are probably in.

    By byte order mark, else UTF-8 where it fits, UTF-16 by its zero bytes, else the most plausible of LEGACY. Bytes
    that look like no text, and UTF-8 with some damage, are taken for UTF-8, so that U+FFFD tells what cannot be read.
    """
    for mark, name in MARKS:
        if sample.startswith(mark):
            return name
    if b"\0" in sample:
        return _wide(sample[:SAMPLE_BYTES]) or "utf-8"
    if _is_utf8(sample):
        return "utf-8"
    # what is ASCII says nothing, but stands in every encoding alike: the guess can begin where it ends
    begin = BEYOND_ASCII.search(sample)
    start = max(0, begin.start() - 1024 if begin else 0)
    sample = sample[start : start + SAMPLE_BYTES]
    return "utf-8" if _is_damaged_utf8(sample) else _guess(sample)


def _is_utf8(sample: bytes) -> bool:
    """Whether bytes are UTF-8; a sample, unlike a file, may end within a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=len(sample) < SAMPLE_BYTES)
    except UnicodeDecodeError:
        return False
    return True


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: one of two neighbouring bytes is often 0, the other seldom."""
    half = max(1, len(sample) // 2)
    high_first, low_first = sample[::2].count(0) / half, sample[1::2].count(0) / half
    for name, high, low in (("utf-16-be", high_first, low_first), ("utf-16-le", low_first, high_first)):
        if high >= NUL_SHARE and low < high / 10:
            return name
    return None


def _is_damaged_utf8(sample: bytes) -> bool:
    """Whether more characters beyond ASCII are good UTF-8 than broken: in other encodings hardly any are."""
    text = sample.decode("utf-8", "replace")
    num_broken = text.count("\ufffd")
    return sum(character > "\x7f" for character in text) > 2 * num_broken


def _guess(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    found = list(from_bytes(sample, cp_isolation=list(LEGACY)))
    if not found:
        return "utf-8"
    least = min((match.chaos, -match.coherence) for match in found)
    fitting = {
        name
        for match in found
        if (match.chaos, -match.coherence) == least
        for name in (match.encoding, *match.could_be_from_charset)
    }
    return next((name for name in LEGACY if name in fitting), found[0].encoding)
