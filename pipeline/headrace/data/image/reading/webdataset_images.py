"""Images of WebDataset: a member such as `png` beside a label in `cls`, `json` or `txt`."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from headrace.contracts import OpenedSource
from headrace.data.image.reading.rows import open_image_source, to_record_batches
from headrace.data.sources.image_formats import EXTENSIONS
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.row_source import SOURCE
from headrace.data.sources.webdataset import Sample, find_label, read_samples

MEMBERS = tuple(extension.removeprefix(".") for extension in EXTENSIONS)


def read_webdataset_images(path: Path, options: ReadOptions) -> OpenedSource:
    """Reads the images of tar shards, or of a folder of unpacked ones; `ingest.target`: the key of a label in JSON."""
    where = f"params.yaml: ingest.source: {options.source!r}"
    rows = (_to_row(sample, options.target) for sample in read_samples(path, MEMBERS, where))
    return open_image_source("webdataset", to_record_batches(rows), options.model_copy(update={"target": None}))


def read_sample_images(path: Path, where: str) -> Iterator[tuple[str, bytes]]:
    """Yields the place and the bytes of each image, without labels."""
    for sample in read_samples(path, MEMBERS, where):
        yield sample.place, _find_image(sample)[1]


def _to_row(sample: Sample, target: str | list[str] | None) -> dict[str, Any]:
    extension, image = _find_image(sample)
    place = f"{sample.place}.{extension}"
    label = find_label(sample, target if isinstance(target, str) else None, is_image=True)
    row_id = blake2b(place.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return {"row_id": row_id, "image": image, "label": label, "path": place, "split": sample.split, SOURCE: place}


def _find_image(sample: Sample) -> tuple[str, bytes]:
    return next((extension, data) for extension, data in sample.members.items() if extension in MEMBERS)
