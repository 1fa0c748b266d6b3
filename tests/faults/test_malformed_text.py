"""Invalid texts: each raises a one-line error, or is a finding that leads to quarantine, and never anything else."""

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
    """Two valid texts of two classes; tests add a third as `a/x.txt`."""
    for name in ("a/good.txt", "b/good.txt"):
        (tmp_path / "notes" / name).parent.mkdir(parents=True)
        (tmp_path / "notes" / name).write_text("a good text")
    return tmp_path / "notes"


def table_of(folder: Path, **options: Any) -> pa.Table:
    opened = read_text_folder(folder, ReadOptions(source="notes", **options))
    return pa.Table.from_batches(opened.batches, text_schema())


def clean_file(folder: Path, data: bytes, **options: Any) -> tuple[str, list[str], bool]:
    """Returns the repaired text of a file with these bytes, its findings, and whether it is usable."""
    (folder / "a/x.txt").write_bytes(data)
    (batch,) = table_of(folder, **options).filter(pa.compute.equal(table_of(folder)["path"], "a/x.txt")).to_batches()
    checked = TextChecker().check_batch(batch, SPEC, {}, OPTIONS)
    (text,) = TextChecker().repair(batch, SPEC, {}, OPTIONS).batch.column("text").to_pylist()
    (ids,) = TextTransform().apply(pa.record_batch({"text": [text]}), TRANSFORM)
    assert 1 <= len(ids) <= 8
    return text, [finding.check for finding in checked.findings], bool(checked.keys[0])


def error_line(folder: Path, **options: Any) -> str:
    with pytest.raises(HeadraceError) as raised:
        table_of(folder, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


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
def test_file_that_is_not_text_goes_to_quarantine(folder: Path, data: bytes, checks: list[str]) -> None:
    _, findings, is_usable = clean_file(folder, data)
    assert findings == checks
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
def test_file_that_can_be_repaired_is_usable(folder: Path, data: bytes, text: str, checks: list[str]) -> None:
    assert clean_file(folder, data) == (text, checks, True)


def test_files_of_different_encodings_are_decoded_separately(folder: Path) -> None:
    (folder / "a/good.txt").write_bytes("Größe und Maß".encode("cp1252"))
    (folder / "b/good.txt").write_bytes("Größe und Maß".encode("utf-16"))
    assert table_of(folder)["text"].to_pylist() == ["Größe und Maß"] * 2


def test_wrong_stated_encoding_leads_to_quarantine(folder: Path) -> None:
    _, findings, _ = clean_file(folder, "Größe".encode("cp1252"), table=TableFormat(encoding="utf-8"))
    assert findings == ["undecodable"]


def test_unknown_encoding_raises_one_line(folder: Path) -> None:
    line = error_line(folder, table=TableFormat(encoding="ebcdic-xyz"))
    assert line.startswith("params.yaml: ingest.table.encoding: 'ebcdic-xyz' is not a text encoding of Python; use ")


def test_dangling_link_raises_one_line(folder: Path) -> None:
    (folder / "a/x.txt").symlink_to(folder / "gone")
    assert error_line(folder).endswith("a/x.txt: cannot be read (No such file or directory); fix or remove it")


def test_too_large_file_raises_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_BYTES", 5)
    assert error_line(folder).endswith("a/good.txt: holds 11 bytes; a text has at most 5; split or remove it")


def test_folder_with_a_text_extension_is_searched(folder: Path) -> None:
    (folder / "a/x.txt").mkdir()
    (folder / "a/x.txt/inner.txt").write_text("inner")
    assert table_of(folder)["path"].to_pylist() == ["a/good.txt", "a/x.txt/inner.txt", "b/good.txt"]


def test_pipe_with_a_text_extension_is_skipped(folder: Path) -> None:
    os.mkfifo(folder / "a/x.txt")
    assert table_of(folder).num_rows == 2


def test_names_that_are_not_utf8_are_escaped(folder: Path) -> None:
    (folder / "b" / "\udcff.txt").write_text("text")
    assert table_of(folder)["path"].to_pylist()[-1] == "b/\\xff.txt"


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ([], "is empty; texts end in"),
        (["a/x.pdf"], "contains no text (1 other files); texts end in"),
        (["a/1.txt"], "has only one class, 'a'; at least two are needed"),
        (["a/1.txt", "unsup/1.txt"], "has only one class, 'a'; at least two are needed"),
        (["1.txt"], "contains 1 texts but no class folder"),
        (["train/1.txt", "test/1.txt"], "contains 2 texts but no class folder"),
        (["train/a/1.txt", "test/a/1.txt"], "has only one class, 'a'; at least two are needed"),
        (["train/a/1.txt", "b/1.txt"], "contains ['train'] with folders of classes, and also ['b']; either all top"),
    ],
)
def test_unusable_folder_raises_one_line(tmp_path: Path, names: list[str], line: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert error_line(tmp_path).startswith(f"params.yaml: ingest.source: 'notes': {line}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory); give the path of a tokenizer.json"),
        (b"", "not a usable tokenizer (EOF while parsing"),
        (b"not JSON", "not a usable tokenizer ("),
        (b"\xff\xfe\x00", "not a usable tokenizer ('utf-8' codec can't decode"),
        (b'{"model": {"type": "BPE"}}', "not a usable tokenizer ("),
        (b'{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}', "must have a padding token (one of "),
        (
            b'{"model":{"type":"WordLevel","vocab":{"a":0,"<pad>":1},"unk_token":"a"}}',
            f"must have a padding token (one of {list(PADDING_NAMES)}) with id 0, got id 1; use another, or null",
        ),
    ],
)  # fmt: skip
def test_invalid_tokenizer_file_raises_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        TextTransform().fit(Texts(), SPEC, SETTINGS | {"tokenizer": str(path)})
    assert str(raised.value).startswith(f"params.yaml: normalize.text.tokenizer: {str(path)!r}: {message}")
    assert "\n" not in str(raised.value)


def test_tokenizer_folder_raises_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read \\(Is a directory\\)"):
        TextTransform().fit(Texts(), SPEC, SETTINGS | {"tokenizer": str(tmp_path)})


def test_no_train_rows_raises_one_line() -> None:
    class Nothing:
        def map(self, work: Any) -> Any:
            return map(work, [])

    with pytest.raises(
        DataError, match="^data/split: no train rows to fit on; give split.fractions a larger first part$"
    ):
        TextTransform().fit(Nothing(), SPEC, SETTINGS)
