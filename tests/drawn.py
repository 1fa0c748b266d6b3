"""Projects with raw rows of every modality, drawn small, and the files that stages leave."""

import io
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from headrace.contracts import Column, Spec
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.data.text.rows import text_schema
from headrace.paths import Paths
from headrace.storage.parquet import write_shards

TABLE_COLUMNS = {"size": "numeric", "colour": "categorical", "seen": "date", "share/of": "numeric"}
WORDS = ["river", "stone", "maple", "engine", "lantern", "copper", "violet", "harbour", "thunder", "meadow"]
MODALITIES = ("image", "text", "table")


def row_id(index: int) -> str:
    """32 hex characters, not in the order of the rows."""
    return blake2b(str(index).encode(), digest_size=16).hexdigest()


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def noise(seed: int, side: int = 8) -> NDArray[np.uint8]:
    """Grey levels `[side, side]` that no check has anything against."""
    return np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)


def schema_of(modality: str) -> pa.Schema:
    if modality == "image":
        return RAW_SCHEMA
    if modality == "text":
        return text_schema()
    own = [
        pa.field("row_id", pa.string(), nullable=False),
        *(pa.field(name, pa.string()) for name in ("label", "split", "source")),
    ]
    return pa.schema([*own, *(pa.field(name, pa.string()) for name in TABLE_COLUMNS)])


def content(modality: str, label: str, index: int) -> dict[str, Any]:
    """What a valid row holds beside its id and label; it determines the label."""
    rng = np.random.default_rng(index)
    if modality == "image":
        shade = {"cat": 0, "dog": 100}.get(label, 50)
        return {"image": png((noise(index) // 2 + shade).astype(np.uint8)), "path": f"{label}/{index}.png"}
    if modality == "text":
        words = rng.choice(WORDS, 9)
        return {"text": f"{label} number {index}: {' '.join(words)}", "path": f"{label}/{index}.txt"}
    return {
        "size": f"{rng.normal({'cat': 3, 'dog': 9}.get(label, 6)):.4f}", "colour": str(rng.choice(["red", "green"])),
        "seen": f"2024-{rng.integers(1, 13):02d}-{rng.integers(1, 28):02d}", "share/of": f"{rng.random():.4f}",
    }  # fmt: skip


def rows(modality: str, num_rows: int, first: int = 0) -> list[dict[str, Any]]:
    """Valid rows of two classes, `cat` and `dog`."""
    made = []
    for index in range(first, first + num_rows):
        label = ("cat", "dog")[index % 2]
        source = f"rows.csv:{index + 2}"
        row = {"row_id": row_id(index), "label": label, "split": None, "source": source}
        made.append(row | content(modality, label, index))
    return made


def faulty_rows(modality: str) -> list[dict[str, Any]]:
    """One of each: without a label, twice the same, the same under another label, broken, empty, to be repaired."""
    good = content(modality, "cat", 0)
    given = {
        "image": [{"image": b"broken"}, {"image": b""}, {"image": png(np.full((8, 8), 9, np.uint8))}],
        "text": [{"text": "broken \ufffd text"}, {"text": " \n"}, {"text": "<b>bold</b> and \x07 loud"}],
        "table": [{"size": "many"}, dict.fromkeys(TABLE_COLUMNS), {"seen": "2024-02-31", "share/of": "inf"}],
    }[modality]
    made = [
        {"label": None} | content(modality, "cat", 900), {"label": "cat"} | content(modality, "dog", 1),
        {"label": "cat"} | good, *({"label": "dog"} | content(modality, "dog", 903) | more for more in given),
    ]  # fmt: skip
    return [
        {"row_id": row_id(1000 + index), "split": None, "source": f"rows.csv:{1002 + index}"} | row
        for index, row in enumerate(made)
    ]


def write_raw(
    root: Path, modality: str, rows: Iterable[dict[str, Any]], *, task: str = "classification", rows_per_batch: int = 7
) -> Paths:
    """A project as it stands after `ingest`."""
    paths, schema, listed = Paths(root), schema_of(modality), list(rows)
    paths.raw_dir.mkdir(parents=True)
    batches = [
        pa.RecordBatch.from_pylist(listed[start : start + rows_per_batch], schema)
        for start in range(0, len(listed), rows_per_batch)
    ]
    write_shards(paths.raw_dir, schema, batches)
    columns = [Column(name=name, kind=kind) for name, kind in TABLE_COLUMNS.items()] if modality == "table" else []
    spec = Spec(
        modality=modality, task=task, source="drawn", format="table", num_rows=len(listed), columns=columns,
        target="label" if modality == "table" else "",
    )  # fmt: skip
    (paths.raw_dir / "spec.json").write_text(spec.to_json())
    return paths


def hashes(root: Path, *folders: str) -> dict[str, str]:
    """Of every file that lies in these files and folders of a project, by path."""
    found = [path for name in folders for path in [root / name, *(root / name).rglob("*")] if path.is_file()]
    return {str(path.relative_to(root)): blake2b(path.read_bytes()).hexdigest() for path in sorted(found)}
