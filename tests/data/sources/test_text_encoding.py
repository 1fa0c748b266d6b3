import codecs
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.sources.text_encoding import (
    SAMPLE_BYTES,
    check_encoding,
    decode_text,
    describe_encoding,
    detect_encoding,
)
from headrace.errors import ConfigError

SENTENCES = {
    "cp1252": "L'été dernier, nous avons mangé à la plage; ça était très bon. It\u2019s \u201cso\u201d \u2014 £5",
    "cp1250": "Zażółć gęślą jaźń. To jest zdanie w języku polskim, które ma dużo znaków.",
    "cp1251": "Съешь ещё этих мягких французских булок, да выпей чаю. Это обычное предложение.",
    "koi8_r": "Съешь ещё этих мягких французских булок, да выпей чаю. Это обычное предложение.",
    "cp1253": "Αυτή είναι μια ελληνική πρόταση για δοκιμή.",  # noqa: RUF001
    "cp932": "これは日本語の文章です。今日は天気がいいですね。",
    "gb18030": "这是一个中文句子。今天天气很好，我们去公园吧。",  # noqa: RUF001
    "cp949": "이것은 한국어 문장입니다. 오늘 날씨가 좋네요.",
}


@pytest.mark.parametrize("encoding", SENTENCES)
def test_decode_text_guesses_the_encoding(encoding: str) -> None:
    text = SENTENCES[encoding]
    assert decode_text(text.encode(encoding)) == text
    assert decode_text(text.encode(encoding), encoding) == text
    assert decode_text(text.encode()) == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_decode_text_of_unicode_with_and_without_a_mark(encoding: str) -> None:
    assert decode_text("Straße 12, Köln".encode(encoding)) == "Straße 12, Köln"


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE])
def test_decode_text_with_a_big_endian_mark(mark: bytes) -> None:
    name = "utf-16-be" if mark == codecs.BOM_UTF16_BE else "utf-32-be"
    assert decode_text(mark + "é".encode(name)) == "é"


def test_decode_text_of_a_stated_encoding_drops_the_mark() -> None:
    assert decode_text(b"\xef\xbb\xbfa", "utf-8") == "a"
    assert decode_text(b"", "auto") == ""


def test_decode_text_of_a_short_text_prefers_western_europe() -> None:
    assert decode_text("café".encode("cp1252")) == "café"
    assert decode_text(b"only \xa3 100 for 2 tickets") == "only £ 100 for 2 tickets"


def test_decode_text_of_damaged_utf8_keeps_valid_characters() -> None:
    assert decode_text("Straße, Köln, Zürich".encode() + b"\xff!") == "Straße, Köln, Zürich\ufffd!"


def test_decode_text_removes_surrogates() -> None:
    assert decode_text(b"+2AA-", "utf-7") == "\ufffd"
    assert "\ufffd" in decode_text("\ud800".encode("utf-8", "surrogatepass") + "äöü".encode())


def test_detect_encoding_of_other_data_is_utf8() -> None:
    assert detect_encoding(bytes(range(256)) * 40) == "utf-8"
    assert {detect_encoding(os.urandom(5000)) for _ in range(5)} == {"utf-8"}


def test_detect_encoding_of_a_truncated_sample_and_of_a_truncated_file() -> None:
    sample = ("a" * (SAMPLE_BYTES - 1) + "é").encode()[:SAMPLE_BYTES]
    assert detect_encoding(sample) == "utf-8"
    assert detect_encoding("cafÃ".encode("cp1252")) != "utf-8"


def test_detect_encoding_skips_leading_ascii() -> None:
    assert detect_encoding(b"plain words " * 20_000 + SENTENCES["cp1251"].encode("cp1251")) == "cp1251"


@pytest.mark.parametrize("name", ["utf-9", "rot13", "hex", "idna", "undefined", "", "a\0b", "utf 8 please"])
def test_check_encoding_refuses_other_names(name: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^params\.yaml: ingest\.table\.encoding: .* is not a text encoding .*, or auto$"
    ):
        decode_text(b"x", name)


def test_check_encoding_returns_the_python_name() -> None:
    assert [check_encoding(name) for name in ("UTF8", "latin1", "Shift_JIS")] == ["utf-8", "iso8859-1", "shift_jis"]


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=200))
def test_decode_text_of_any_bytes_can_be_encoded(data: bytes) -> None:
    text = decode_text(data)
    assert text.encode().decode() == text


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=50))
def test_decode_text_of_utf8_is_exact(text: str) -> None:
    assert decode_text(text.encode()) == text


NAMES = {
    "cp1250": "\u0141\u00f3d\u017a Krak\u00f3w Pozna\u0144 Gda\u0144sk \u015awinouj\u015bcie \u017bywiec tak mo\u017ce",
    "iso8859_2": "\u0141\u00f3d\u017a Krak\u00f3w Pozna\u0144 Gda\u0144sk \u015awinouj\u015bcie \u017bywiec tak",
    "cp1252": "K\u00f6ln M\u00fcnchen gro\u00df Orl\u00e9ans \u00e9l\u00e8ve gar\u00e7on Espa\u00f1a ni\u00f1o",
    "cp1251": "\u041c\u043e\u0441\u043a\u0432\u0430 \u0434\u0430 \u043d\u0435\u0442",
    "cp932": "\u6771\u4eac \u5927\u962a \u308a\u3093\u3054 \u306f\u3044",
    "euc_jp": "\u6771\u4eac \u5927\u962a \u4eac\u90fd \u308a\u3093\u3054",
    "gb18030": "\u5317\u4eac \u4e0a\u6d77 \u597d \u4e0d\u597d",
    "cp949": "\uc11c\uc6b8 \ubd80\uc0b0 \uc608 \uc544\ub2c8\uc624",
}


@pytest.mark.parametrize("encoding", NAMES)
def test_tables_of_a_few_names_are_read_in_their_encoding(encoding: str) -> None:
    """A column of labels shows little of a language."""
    lines = [f"{word},{index}" for index in range(50) for word in NAMES[encoding].split()]
    text = "city,size\n" + "\n".join(lines)
    assert decode_text(text.encode(encoding)) == text


def test_a_sign_alone_is_that_of_western_europe() -> None:
    assert decode_text("5 \u20ac\n7 \u20ac\n".encode("cp1252")) == "5 \u20ac\n7 \u20ac\n"


def test_describe_encoding_shows_words_of_a_guess() -> None:
    guess = describe_encoding("cp1250", "x.csv", "\u0141\u00f3d\u017a".encode("cp1250"))
    assert (guess.is_warning, guess.text) == (
        True, "x.csv is read as cp1250, the likeliest guess, with words such as '\u0141\u00f3d\u017a'",
    )  # fmt: skip
    assert describe_encoding("utf-16", "x.csv", b"").text == "x.csv is read as utf-16, by its first bytes"
