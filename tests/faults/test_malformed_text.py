"""Texts that are none: each is one line, or a finding that leads to quarantine; nothing else ever comes out."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headrace.contracts import Spec
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.sources.read_options import ReadOptions, TableFormat
from headrace.data.text import reader
from headrace.data.text.checker import TextChecker
from headrace.data.text.reader import read_text_folder
from headrace.data.text.rows import text_schema
from headrace.data.text.tokenizer import PADDING_NAMES
from headrace.data.text.transform import TextTransform
from headrace.errors import ConfigError, DataError, HeadraceError

SPEC = Spec(modality="text", task="classification", source="x", format="text_folder", num_rows=0)
OPTIONS: dict[str, Any] = {name: rule.options for name, rule in resolve_rules({}, "text").items()}
SETTINGS: dict[str, Any] = {"vocabulary": 300, "max_tokens": 8, "lowercase": True, "tokenizer": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good texts of two classes; tests put a third beside them, as `a/x.txt`."""
    for name in ("a/good.txt", "b/good.txt"):
        (tmp_path / "notes" / name).parent.mkdir(parents=True)
        (tmp_path / "notes" / name).write_text("a good text")
    return tmp_path / "notes"


def table_of(folder: Path, **options: Any) -> pa.Table:
    opened = read_text_folder(folder, ReadOptions(source="notes", **options))
    return pa.Table.from_batches(opened.batches, text_schema())


def fate(folder: Path, data: bytes, **options: Any) -> tuple[str, list[str], bool]:
    """The repaired text of a file of these bytes, its findings, and whether it is usable."""
    (folder / "a/x.txt").write_bytes(data)
    (batch,) = table_of(folder, **options).filter(pa.compute.equal(table_of(folder)["path"], "a/x.txt")).to_batches()
    examined = TextChecker().examine(batch, SPEC, {}, OPTIONS)
    (text,) = TextChecker().repair(batch, SPEC, {}, OPTIONS).batch.column("text").to_pylist()
    (ids,) = TextTransform().apply(pa.record_batch({"text": [text]}), TRANSFORM)
    assert 1 <= len(ids) <= 8
    return text, [found.check for found in examined.findings], bool(examined.keys[0])


def line_of(folder: Path, **options: Any) -> str:
    with pytest.raises(HeadraceError) as told:
        table_of(folder, **options)
    assert "\n" not in str(told.value)
    return str(told.value)


class Texts:
    """Rows of three texts."""

    def map(self, work: Any) -> Any:
        return map(work, [pa.record_batch({"text": ["a good text", "another", ""]})])


TRANSFORM = TextTransform().fit(Texts(), SPEC, SETTINGS)


@pytest.mark.parametrize(
    ("data", "checks"),
    [
        (b"", ["empty"]),
        (b" \r\n\t", ["empty"]),
        (b"\xef\xbb\xbf", ["empty"]),
        (b"\0" * 100, ["empty"]),
        (b"<html><body></body></html>", ["empty"]),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, ["undecodable", "control_characters"]),
        (b"PK\x03\x04" + bytes(255 - n for n in range(256)) * 4, ["undecodable", "control_characters"]),
        ("Straße, Köln, Zürich ".encode() + b"\xfc", ["undecodable"]),
        ("äöü".encode() + "\ud800".encode("utf-8", "surrogatepass"), ["undecodable"]),
        ("Straße in Köln".encode("utf-16-le")[:-1], ["undecodable"]),
    ],
)  # fmt: skip
def test_file_that_is_no_text_goes_into_quarantine(folder: Path, data: bytes, checks: list[str]) -> None:
    _, found, is_usable = fate(folder, data)
    assert found == checks
    assert not is_usable


@pytest.mark.parametrize(
    ("data", "text", "checks"),
    [
        (b"NUL \0 within", "NUL  within", ["control_characters"]),
        (b"\x1b[31mred\x1b[0m", "[31mred[0m", ["control_characters"]),
        ("Straße in Köln".encode("utf-16-le"), "Straße in Köln", []),
        ("Straße in Köln".encode("utf-16-be"), "Straße in Köln", []),
        ("Straße in Köln".encode("cp1252"), "Straße in Köln", []),
        ("Straße in Köln".encode("utf-32"), "Straße in Köln", []),
        (b"one\rtwo\r\nthree", "one\ntwo\nthree", []),
        (b"<p>a &lt; b</p>", "a < b", ["markup"]),
        (b"x" * 2_000_000, "x" * 2_000_000, []),
        (b"<" * 300_000, "<" * 300_000, []),
        (b"[PAD][UNK]", "[PAD][UNK]", []),
    ],
)  # fmt: skip
def test_file_that_can_be_mended_is_kept(folder: Path, data: bytes, text: str, checks: list[str]) -> None:
    assert fate(folder, data) == (text, checks, True)


def test_files_of_different_encodings_are_each_read_in_their_own(folder: Path) -> None:
    (folder / "a/good.txt").write_bytes("Größe und Maß".encode("cp1252"))
    (folder / "b/good.txt").write_bytes("Größe und Maß".encode("utf-16"))
    assert table_of(folder)["text"].to_pylist() == ["Größe und Maß"] * 2


def test_wrong_encoding_stated_is_seen_in_quarantine(folder: Path) -> None:
    _, found, _ = fate(folder, "Größe".encode("cp1252"), table=TableFormat(encoding="utf-8"))
    assert found == ["undecodable"]


def test_unknown_encoding_is_one_line(folder: Path) -> None:
    line = line_of(folder, table=TableFormat(encoding="ebcdic-xyz"))
    assert line.startswith("params.yaml: ingest.table.encoding: 'ebcdic-xyz' is no encoding that Python knows; use ")


def test_dangling_link_is_one_line(folder: Path) -> None:
    (folder / "a/x.txt").symlink_to(folder / "gone")
    assert line_of(folder).endswith("a/x.txt: cannot be read (No such file or directory); mend or remove it")


def test_file_that_is_too_large_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_BYTES", 5)
    assert line_of(folder).endswith("a/good.txt: holds 11 bytes; a text has at most 5; split or remove it")


def test_folder_named_as_a_text_is_walked_as_a_folder(folder: Path) -> None:
    (folder / "a/x.txt").mkdir()
    (folder / "a/x.txt/inner.txt").write_text("inner")
    assert table_of(folder)["path"].to_pylist() == ["a/good.txt", "a/x.txt/inner.txt", "b/good.txt"]


def test_pipe_named_as_a_text_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "a/x.txt")
    assert table_of(folder).num_rows == 2


def test_names_that_are_no_utf8_are_escaped(folder: Path) -> None:
    (folder / "b" / "\udcff.txt").write_text("text")
    assert table_of(folder)["path"].to_pylist()[-1] == "b/\\xff.txt"


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ([], "is empty; texts end in"),
        (["a/x.pdf"], "holds no text (1 other files); texts end in"),
        (["a/1.txt"], "has only one class, 'a'; at least two are needed"),
        (["a/1.txt", "unsup/1.txt"], "has only one class, 'a'; at least two are needed"),
        (["1.txt"], "holds 1 texts but no class's folder"),
        (["train/1.txt", "test/1.txt"], "holds 2 texts but no class's folder"),
        (["train/a/1.txt", "test/a/1.txt"], "has only one class, 'a'; at least two are needed"),
        (["train/a/1.txt", "b/1.txt"], "holds ['train'] beside ['b']; either every folder on top is a split"),
    ],
)
def test_folder_that_cannot_be_learned_from_is_one_line(tmp_path: Path, names: list[str], line: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert line_of(tmp_path).startswith(f"params.yaml: ingest.source: 'notes': {line}")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read (No such file or directory); give the path of a tokenizer.json"),
        (b"", "no usable tokenizer (EOF while parsing"),
        (b"not JSON", "no usable tokenizer ("),
        (b"\xff\xfe\x00", "no usable tokenizer ('utf-8' codec can't decode"),
        (b'{"model": {"type": "BPE"}}', "no usable tokenizer ("),
        (b'{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}', "must have a padding token (one of "),
        (
            b'{"model":{"type":"WordLevel","vocab":{"a":0,"<pad>":1},"unk_token":"a"}}',
            f"must have a padding token (one of {list(PADDING_NAMES)}) of id 0, got id 1; take another, or null",
        ),
    ],
)  # fmt: skip
def test_hopeless_tokenizer_file_is_one_line(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        TextTransform().fit(Texts(), SPEC, SETTINGS | {"tokenizer": str(path)})
    assert str(caught.value).startswith(f"params.yaml: normalize.text.tokenizer: {str(path)!r}: {told}")
    assert "\n" not in str(caught.value)


def test_tokenizer_that_is_a_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read \\(Is a directory\\)"):
        TextTransform().fit(Texts(), SPEC, SETTINGS | {"tokenizer": str(tmp_path)})


def test_no_train_rows_is_one_line() -> None:
    class Nothing:
        def map(self, work: Any) -> Any:
            return map(work, [])

    with pytest.raises(
        DataError, match="^data/split: no train rows to fit on; give split.fractions a larger first part$"
    ):
        TextTransform().fit(Nothing(), SPEC, SETTINGS)
