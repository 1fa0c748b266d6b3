"""Reads exports of annotation tools as labels of whole images or texts: COCO, and Label Studio's JSON.

An image has the categories of its boxes. See https://cocodataset.org/#format-data and https://labelstud.io/guide/export.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa

from headrace.contracts import Assumption, Json
from headrace.data.sources.read_options import ReadOptions
from headrace.data.table.reading.table_file import FileRows, OpenTableFile, check_same_columns
from headrace.errors import DataError
from headrace.storage.label_codec import encode_names

IMAGE, LABEL = "image", "label"
COCO_KEYS = (b'"images"', b'"annotations"', b'"categories"')
STUDIO_KEYS = (b'"data"', b'"annotations"', b'"result"')
MAX_BYTES = 512 * 2**20
"""The whole file is in memory, several times over."""
ROWS_PER_BATCH = 1024

Row = dict[str, Any]
"""Cells by column; the label is a list of names, or None for a task that nobody has done."""


def is_annotations(path: Path) -> bool:
    """Whether a file is one of those exports, by the keys that it has anywhere."""
    if path.suffix.lower() != ".json" or not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        keys = {b"{": COCO_KEYS, b"[": STUDIO_KEYS}.get(content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1])
        return keys is not None and all(content.find(key) >= 0 for key in keys)


def assume_annotations(path: Path) -> list[Assumption]:
    """A remark about what a label is."""
    text = f"{path.name} is read as labels of whole images or texts: those of any box or choice, of the last annotation"
    return [Assumption(stage="ingest", subject="labels", text=text, setting="ingest.source: a table of your own")]


def open_annotations(path: Path, options: ReadOptions, expected: list[str] | None) -> OpenTableFile:
    """Reads a file; raises DataError for one that is too large, damaged, or of another kind.

    Labels are names if every row has one, else lists.
    """
    rows = _read(path)
    names = list(dict.fromkeys([*(name for row in rows for name in row if name != LABEL), LABEL]))
    if expected is not None:
        check_same_columns(path, names, expected)
    are_single = all(row[LABEL] is None or len(row[LABEL]) == 1 for row in rows)
    return OpenTableFile(names, _batches(rows, names, are_single=are_single), options.table, "index")


def _read(path: Path) -> list[Row]:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: has more than {MAX_BYTES:,} bytes, the most that is read; write it as CSV")
    try:
        content = json.loads(path.read_bytes())
        rows = _read_coco(content) if isinstance(content, dict) else _read_studio(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: invalid JSON ({str(error)[:100]}); export it again") from None
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(
            f"{path}: has the keys of COCO or Label Studio, but not their structure ({type(error).__name__}: {error});"
            " export it again, as COCO or JSON"
        ) from None
    if not rows:
        raise DataError(f"{path}: has no images or tasks; give a table that has rows")
    return rows


def _read_coco(content: Json) -> list[Row]:
    categories = {category["id"]: str(category["name"]) for category in content["categories"]}
    labels: dict[Any, set[str]] = {}
    for annotation in content["annotations"]:
        labels.setdefault(annotation["image_id"], set()).add(categories[annotation["category_id"]])
    return [{IMAGE: str(image["file_name"]), LABEL: sorted(labels.get(image["id"], ()))} for image in content["images"]]


def _read_studio(tasks: Sequence[Json]) -> list[Row]:
    rows = []
    for task in tasks:
        done = [each for each in task["annotations"] if not each.get("was_cancelled")]
        cells = {name: _to_cell(value) for name, value in task["data"].items() if not isinstance(value, dict | list)}
        rows.append({**cells, LABEL: _find_labels(done[-1]["result"]) if done else None})
    return rows


def _find_labels(results: Sequence[Json]) -> list[str]:
    """The choices, or the labels of regions; each is a list named by the kind of the region, such as `choices`."""
    found = [result["value"].get(result["type"]) for result in results if "value" in result]
    return sorted({str(name) for names in found if isinstance(names, list) for name in names})


def _to_cell(value: Any) -> str | None:
    """A scalar as text; of a file on the tool's server its name, by which it was uploaded."""
    if not isinstance(value, str):
        return None if value is None else json.dumps(value)
    with suppress(ValueError):
        parts = urlsplit(value)
        if parts.path.startswith("/data/local-files") and "d" in (query := parse_qs(parts.query)):
            return query["d"][0].rpartition("/")[2]
        if parts.path.startswith("/data/upload/"):
            return parts.path.rpartition("/")[2]
    return value


def _batches(rows: Sequence[Row], names: Sequence[str], *, are_single: bool) -> Iterator[FileRows]:
    remaining, start = iter(rows), 0
    while batch := list(islice(remaining, ROWS_PER_BATCH)):
        cells = [_label_text(row, are_single=are_single) for row in batch]
        columns = {name: pa.array([row.get(name) for row in batch], pa.string()) for name in names if name != LABEL}
        columns[LABEL] = pa.array(cells, pa.string())
        numbers = pa.array(range(start, start + len(batch)), pa.int64())
        yield FileRows(pa.record_batch([columns[name] for name in names], names=list(names)), numbers)
        start += len(batch)


def _label_text(row: Mapping[str, Any], *, are_single: bool) -> str | None:
    names: list[str] | None = row[LABEL]
    if names is None:
        return None
    return names[0] if are_single else encode_names(names)
