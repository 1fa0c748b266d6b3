"""Checksums of outputs: a list of them in a folder, or one inside a JSON file.

DVC compares its outputs before a stage, but a stage that is run by hand would compute with damaged ones.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from headrace.contracts import Json
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.storage.atomic import write_json

NAME, KEY = "checksums.json", "checksum"
WRITERS = {"data/normalized": "normalize", "models/trained": "train", "models/quantized": "quantize"}
"""Folder with checksums -> the stage that writes it."""
MAX_BYTES = 2**28
"""A larger file is only verified by the stages in `READS_ALL`; the others read parts of it."""
READS_ALL = frozenset({"tune", "train"})


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(folder: Path) -> None:
    """Writes the checksums of all files below a folder into it; called last, before the folder is renamed."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    write_json(folder / NAME, {path.relative_to(folder).as_posix(): hash_file(path) for path in paths})


def verify_inputs(stage: str, paths: Paths, order: tuple[str, ...]) -> None:
    """Raises DataError if a file that an earlier stage wrote has changed since; `order`: of the stages.

    Files that are missing are left to the stage that needs them, and so are folders of earlier versions.
    """
    for name, writer in WRITERS.items():
        if order.index(writer) < order.index(stage):
            _verify_folder(paths.root / name, writer, has_all=stage in READS_ALL)


def _verify_folder(folder: Path, writer: str, *, has_all: bool) -> None:
    if not (folder / NAME).is_file():
        return
    remedy = f"run: dvc repro --force {writer}"
    try:
        checksums = {
            folder / name: str(checksum) for name, checksum in json.loads((folder / NAME).read_bytes()).items()
        }
    except (ValueError, AttributeError) as error:
        raise DataError(f"{folder / NAME}: not a list of checksums ({str(error).splitlines()[0]}); {remedy}") from None
    for path, checksum in checksums.items():
        if path.is_file() and (has_all or path.stat().st_size <= MAX_BYTES) and hash_file(path) != checksum:
            raise DataError(f"{path}: damaged or changed after `headrace {writer}` wrote it (checksum); {remedy}")


def write_signed_json(path: Path, value: Json) -> None:
    """Writes JSON atomically with its own checksum."""
    write_json(path, {**value, KEY: _hash(value)})


def read_signed_json(path: Path, remedy: str) -> Json:
    """Reads what `write_signed_json` wrote, or JSON of an earlier version, which has no checksum.

    Raises DataError, with the remedy in its line, if it is damaged.
    """
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict):
            raise ValueError("not a mapping")  # noqa: TRY301, TRY004 as if it were no JSON
    except ValueError as error:
        raise DataError(f"{path}: damaged ({str(error).splitlines()[0]}); {remedy}") from None
    checksum = value.pop(KEY, None)
    if checksum is not None and checksum != _hash(value):
        raise DataError(f"{path}: damaged or changed by hand (checksum); {remedy}")
    return value


def _hash(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
