import bz2
import gzip
import lzma

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.data.table.reading import text_stream
from headrace.data.table.reading.text_stream import (
    Utf8Stream,
    collapse_whitespace,
    read_lines,
    read_text_blocks,
    skip_lines,
)
from headrace.errors import ConfigError, DataError


def compress_zstandard(content: bytes) -> bytes:
    return pa.Codec("zstd").compress(content, asbytes=True)


COMPRESSORS = {
    "x.csv": bytes,
    "x.csv.gz": gzip.compress,
    "x.csv.bz2": bz2.compress,
    "x.csv.xz": lzma.compress,
    "x.csv.zst": compress_zstandard,
}


def text_of(path, encoding="auto"):
    return "".join(read_text_blocks(path, encoding))


@pytest.mark.parametrize("name", COMPRESSORS)
def test_compressed_files_are_decompressed(tmp_path, name):
    text = "".join(f"{number},{number * number}\n" for number in range(50_000))
    (tmp_path / name).write_bytes(COMPRESSORS[name](text.encode()))
    assert text_of(tmp_path / name) == text


@pytest.mark.parametrize("name", [name for name in COMPRESSORS if name != "x.csv"])
@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_damaged_compression_raises_one_line(tmp_path, name, damage):
    content = bytearray(COMPRESSORS[name]("".join(map(str, range(99_999))).encode()))
    if damage == "truncated":
        del content[-20:]
    else:
        content[: len(content) // 2] = b"\x01" * (len(content) // 2)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: (damaged \w+ \(|cannot be read)") as error:
        text_of(tmp_path / name)
    assert "\n" not in str(error.value)


def test_consecutive_zstandard_frames_are_read(tmp_path):
    (tmp_path / "x.zst").write_bytes(compress_zstandard(b"a,b\n") + compress_zstandard(b"1,2\n"))
    assert text_of(tmp_path / "x.zst") == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a,b\r\n1,2\r\n", "a,b\n1,2\n"),
        (b"a,b\r1,2\r", "a,b\n1,2\n"),
        (b"a,b\n1,2\r3\n", "a,b\n1,2 3\n"),  # a stray return within a line
        ("\ufeffa,b\n\u00e9,2\n".encode(), "a,b\n\u00e9,2\n"),
        ("\ufeffa,b\n\u00e9,2\n".encode("utf-16-le"), "a,b\n\u00e9,2\n"),
        (b"un \xe9t\xe9 chaud,b\n" * 50, "un \u00e9t\u00e9 chaud,b\n" * 50),
        (b"", ""),
    ],
)
def test_text_is_decoded_with_line_feeds(tmp_path, data, text):
    (tmp_path / "x.csv").write_bytes(data)
    assert text_of(tmp_path / "x.csv") == text


@given(text=st.text(st.sampled_from("ab\u00e9\U0001f600\r\n,"), max_size=40), size=st.integers(1, 7))
def test_block_boundaries_do_not_matter(tmp_path_factory, text, size):
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_stream, "BLOCK_BYTES", size)
        read = text_of(path, "utf-8")
    # the first block decides whether a return is a line end; all else is independent of the boundaries
    assert read.replace(" ", "\n") == text.replace("\r\n", "\n").replace("\r", "\n").replace(" ", "\n")


def test_undecodable_byte_raises_with_line_and_remedy(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"a,b\n1,2\n\xe9t\xe9,3\n")
    with pytest.raises(DataError, match=r"x.csv: line 3: byte 0xe9 cannot be decoded as utf-8; set ingest.table.encod"):
        text_of(tmp_path / "x.csv", "utf-8")
    with pytest.raises(ConfigError, match=r"ingest.table.encoding: 'klingon' is not a text encoding"):
        text_of(tmp_path / "x.csv", "klingon")


def test_zero_byte_raises_with_line(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"a,b\n1,2\n\x00,3\n")
    with pytest.raises(DataError, match=r"x.csv: line 3: contains a zero byte"):
        text_of(tmp_path / "x.csv")


@given(text=st.text("ab\n", max_size=30), sizes=st.lists(st.integers(1, 5), max_size=8), num_lines=st.integers(0, 5))
def test_skip_lines_does_not_depend_on_block_boundaries(text, sizes, num_lines):
    blocks, rest = [], text
    for size in sizes:
        blocks, rest = [*blocks, rest[:size]], rest[size:]
    expected = "\n".join(text.split("\n")[num_lines:])
    assert "".join(skip_lines([*blocks, rest], num_lines)) == expected


def test_collapse_whitespace_across_blocks():
    assert "".join(collapse_whitespace([" 1.0   2", "  ", "\t 3 \n4", " 5 6"])) == "1.0 2 3\n4 5 6\n"


def test_utf8_stream_yields_bytes_and_counts_quotes():
    file = Utf8Stream(iter(['"a"\n', "", "\u00e9"]))
    assert file.read() == '"a"\n\u00e9'.encode()
    assert file.num_quotes == 2


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_joined_across_blocks(tmp_path, monkeypatch, size):
    monkeypatch.setattr(text_stream, "BLOCK_BYTES", size)
    (tmp_path / "x.txt").write_bytes(b"one\r\n\ntwo\nthree")
    assert list(read_lines(tmp_path / "x.txt", "utf-8")) == ["one", "", "two", "three"]
