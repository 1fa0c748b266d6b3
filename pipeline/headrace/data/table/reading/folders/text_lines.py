"""Reads one text a line, from files whose names are classes: `rt-polarity.pos` and `rt-polarity.neg`, or `pos.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import pyarrow as pa

from headrace.contracts import Assumption
from headrace.data.sources.archives.compression import COMPRESSIONS
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.table_file import FileRows, OpenTableFile
from headrace.data.table.reading.text_stream import read_text_blocks
from headrace.paths import SPLIT_ALIASES

TEXT, LABEL = "text", "label"
TEXT_EXTENSIONS = (".text", ".txt")
CLASS_WORDS = frozenset(
    ["pos", "neg", "neu", "positive", "negative", "neutral", "spam", "ham", "real", "fake", "subjective", "objective",
     "subj", "obj", "toxic", "nontoxic", "sarcastic", "hate"]
)  # fmt: skip
"""Names of text files that are taken for classes; others may be shards of one table."""
DESCRIPTION = re.compile(r"(?i)readme|licen[sc]e|citation|\.(md|names)$")
ROWS_PER_BATCH = 1024


def find_class_files(paths: Iterable[Path], known_extensions: Iterable[str]) -> dict[Path, str]:
    """The class of each file, if the names of all files but descriptions are classes; otherwise nothing.

    They differ in nothing but their extension, which is none of `known_extensions`, or are texts named by a class.
    """
    names = {path: _remove_compression(path) for path in paths if not DESCRIPTION.search(path.name)}
    extensions = {name.suffix.lower() for name in names.values()}
    stems = {name.with_suffix("") for name in names.values()}
    known = {"", *known_extensions, *(f".{split}" for split in SPLIT_ALIASES)}
    if len(extensions) == len(names) > 1 and len(stems) == 1 and not extensions & known:
        return {path: name.suffix[1:] for path, name in names.items()}
    words = {stem.name.lower() for stem in stems}
    if len(words) == len(names) > 1 and extensions <= set(TEXT_EXTENSIONS) and words <= CLASS_WORDS:
        return {path: name.stem for path, name in names.items()}
    return {}


def assume_class_files(classes: Mapping[Path, str]) -> list[Assumption]:
    """A remark about the names that are classes."""
    names = ", ".join(f"{label} ({path.name})" for path, label in list(classes.items())[:5])
    text = f"each line is a text, of the class that the name of its file says: {names}"
    return [Assumption(stage="ingest", subject="classes", text=text, setting="ingest.source: one of the files")]


def open_text_lines(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Opens a file with one column, `text`; blank lines are skipped."""
    del expected
    return OpenTableFile([TEXT], _batches(path, options.table.encoding), options.table)


def _batches(path: Path, encoding: str) -> Iterator[FileRows]:
    lines = _lines(path, encoding)
    while batch := list(islice(lines, ROWS_PER_BATCH)):
        numbers, texts = zip(*batch, strict=True)
        cells = pa.record_batch([pa.array(texts, pa.string())], names=[TEXT])
        yield FileRows(cells, pa.array(numbers, pa.int64()))


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    rest, number = "", 0
    for block in read_text_blocks(path, encoding):
        *lines, rest = (rest + block).split("\n")
        for line in lines:
            number += 1
            if line.strip():
                yield number, line
    if rest.strip():
        yield number + 1, rest


def _remove_compression(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
