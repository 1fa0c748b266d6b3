"""Reads a folder of text files per class."""

from __future__ import annotations

import logging
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

from headrace.contracts import OpenedSource, Spec
from headrace.data.sources.class_folders import (
    ClassFile,
    assume_splits,
    assume_wrapper,
    check_classes,
    find_files,
    format_extensions,
    get_extension,
    label_files,
    list_files,
    read_file,
)
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.text_encoding import (
    SAMPLE_BYTES,
    UTF8,
    check_encoding,
    decode_text,
    describe_encoding,
    detect_encoding,
)
from headrace.data.text.rows import text_schema, to_batches
from headrace.errors import ConfigError, DataError
from headrace.paths import SPLIT_ALIASES

log = logging.getLogger(__name__)

EXTENSIONS = (".md", ".text", ".txt")
UNLABELLED = ("unlabeled", "unlabelled", "unsup")
"""Names of folders with unlabelled texts; IMDB's reviews use `unsup`."""
NUM_INSPECTED = 200
MAX_BYTES = 256 * 2**20
"""Maximum file size: Arrow's strings are limited to 2 GiB per batch, and no model reads texts of this length."""


def is_text_folder(path: Path) -> bool:
    """Returns whether most of the first files in class folders have a text extension."""
    if not path.is_dir():
        return False
    in_classes = (file for file in list_files(path) if _is_in_class(file))
    kinds = Counter(get_extension(file) in EXTENSIONS for file in islice(in_classes, NUM_INSPECTED))
    return kinds[True] > kinds[False]


def read_text_folder(path: Path, options: ReadOptions) -> OpenedSource:
    """Opens a folder of text files per class, with or without train, val and test folders above the classes.

    Raises ConfigError for options that apply only to tables, and DataError if the folder is unusable.
    """
    check_class_options(options)
    encoding = options.table.encoding
    if encoding != "auto":
        check_encoding(encoding)
    files = _files(path, options.source)
    remarks = [*assume_wrapper([file.path for file in files]), *assume_splits(files)]
    spec = Spec(
        modality="text", task="classification", source=options.source, format="text_folder", num_rows=0,
        assumptions=remarks,
    )  # fmt: skip
    decoder = _Decoder(encoding)
    rows = to_batches(_row(path, file, decoder) for file in files)
    return OpenedSource(spec, text_schema(), rows, decoder.finish)


class _Decoder:
    """Decodes files, and remembers those that are not UTF-8."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._examples: dict[str, tuple[str, bytes]] = {}
        self._num_files: Counter[str] = Counter()

    def decode(self, name: str, data: bytes) -> str:
        if self._encoding != "auto":
            return decode_text(data, self._encoding)
        encoding = detect_encoding(data)
        if encoding not in UTF8:
            self._num_files[encoding] += 1
            self._examples.setdefault(encoding, (name, data[:SAMPLE_BYTES]))
        return decode_text(data, encoding)

    def finish(self, folder: Path, spec: Spec) -> Spec:
        """Adds a remark for each encoding other than UTF-8."""
        del folder
        remarks = [
            describe_encoding(encoding, name if number == 1 else f"{number:,} files, such as {name},", data)
            for encoding, number in self._num_files.most_common()
            for name, data in [self._examples[encoding]]
        ]
        return spec.model_copy(update={"assumptions": [*spec.assumptions, *remarks]})


def _files(folder: Path, source: str) -> list[ClassFile]:
    """The texts in folders of a class or of unlabelled texts."""
    where = f"params.yaml: ingest.source: {source!r}"
    paths, others = find_files(folder, EXTENSIONS, noun="text", where=where)
    if others:
        log.warning("%s: left out %d files that are not texts (%s)", source, len(others), format_extensions(others))
    placed = label_files(paths, where)
    check_classes([_without_label(file) for file in placed], noun="text", where=where)
    files = [_without_label(file) for file in placed if file.label is not None]
    if len(files) < len(placed):
        first = next(file.row()["path"] for file in placed if file.label is None)
        log.warning("%s: left out %d texts outside class folders (%s)", source, len(placed) - len(files), first)
    num_unlabelled = sum(file.label is None for file in files)
    if num_unlabelled:
        log.warning(
            "%s: %d texts have no label, from folders named as one of %s", source, num_unlabelled, list(UNLABELLED)
        )
    return files


def _is_in_class(path: str) -> bool:
    folders = path.split("/")[:-1]
    return len(folders) > (bool(folders) and folders[0].lower() in SPLIT_ALIASES)


def _without_label(file: ClassFile) -> ClassFile:
    is_unlabelled = file.label is not None and file.label.lower() in UNLABELLED
    return file._replace(label=None) if is_unlabelled else file


def _row(folder: Path, file: ClassFile, decoder: _Decoder) -> dict[str, Any]:
    data = read_file(folder, file)
    row = file.row()
    if len(data) > MAX_BYTES:
        raise DataError(
            f"{folder}/{row['path']}: holds {len(data)} bytes; a text has at most {MAX_BYTES}; split or remove it"
        )
    text = decoder.decode(str(row["path"]), data)
    return {**row, "text": text.replace("\r\n", "\n").replace("\r", "\n")}


def check_class_options(options: ReadOptions) -> None:
    """Raises ConfigError for options that apply only to tables."""
    for key in ("target", "label_separator", "split_column"):
        got = getattr(options, key)
        if got is not None:
            raise ConfigError(
                f"params.yaml: ingest.{key}: got {got!r}; must be null for a folder of texts,"
                " whose folder names give the class and split; remove it"
            )
    if options.task not in {"auto", "classification"}:
        raise ConfigError(
            f"params.yaml: ingest.task: got {options.task!r}; a folder of texts is for classification; set auto,"
            " or use a table with a text column and a target of numbers or lists"
        )
