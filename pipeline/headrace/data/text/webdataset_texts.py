"""Texts of WebDataset: a member `txt` beside a label in `cls` or `json`."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from headrace.contracts import OpenedSource, Spec
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.row_source import SOURCE
from headrace.data.sources.text_encoding import decode_text
from headrace.data.sources.webdataset import Sample, find_label, read_samples
from headrace.data.text.reader import check_class_options
from headrace.data.text.rows import text_schema, to_batches

MEMBERS = ("txt",)


def read_webdataset_texts(path: Path, options: ReadOptions) -> OpenedSource:
    """Reads the texts of tar shards, or of a folder of unpacked ones; `ingest.target`: the key of the label in JSON."""
    where = f"params.yaml: ingest.source: {options.source!r}"
    check_class_options(options.model_copy(update={"target": None}))
    rows = (_to_row(sample, options) for sample in read_samples(path, MEMBERS, where))
    spec = Spec(modality="text", task="classification", source=options.source, format="webdataset", num_rows=0)
    return OpenedSource(spec, text_schema(), to_batches(rows))


def read_sample_texts(path: Path, where: str, encoding: str) -> Iterator[tuple[str, str]]:
    """Yields the place and the text of each sample, without labels."""
    for sample in read_samples(path, MEMBERS, where):
        yield sample.place, _decode(sample.members["txt"], encoding)


def _to_row(sample: Sample, options: ReadOptions) -> dict[str, Any]:
    place = f"{sample.place}.txt"
    target = options.target if isinstance(options.target, str) else None
    return {
        "row_id": blake2b(place.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest(),
        "text": _decode(sample.members["txt"], options.table.encoding),
        "label": find_label(sample, target, is_image=False),
        "path": place,
        "split": sample.split,
        SOURCE: place,
    }


def _decode(data: bytes, encoding: str) -> str:
    return decode_text(data, encoding).replace("\r\n", "\n").replace("\r", "\n")
