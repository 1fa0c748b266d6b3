"""Which reader reads a source. READERS: name -> function from a source to Arrow batches."""

from __future__ import annotations

from pathlib import Path

from pipeline.contracts import ModalityName, Reader
from pipeline.errors import ConfigError, DataError, choices
from pipeline.modalities.image.idx import is_idx_folder, read_idx
from pipeline.modalities.image.read import local_path, read_folder, read_mnist5k

READERS: dict[str, Reader] = {
    "mnist5k": read_mnist5k,
    "folder": read_folder,
    "idx": read_idx,
}
MODALITIES: dict[str, ModalityName] = {"mnist5k": "image", "folder": "image", "idx": "image"}
BUILT_INS = ("mnist5k",)
"""Readers that are their own source."""


def find_reader(wanted: str, source: str, root: Path) -> str:
    """The name of the reader that `ingest.format` and `ingest.source` ask for; `auto` picks by the source.

    A built-in set comes before a folder of the same name (write `./mnist5k` for the folder). Raises ConfigError
    where the two contradict each other and DataError for a source that is not there.
    """
    found = wanted if wanted != "auto" else _guess(source, root)
    if found in BUILT_INS and source != found:
        raise ConfigError(
            f"params.yaml: ingest.format: {found!r} is a built-in set, but ingest.source is {source!r};"
            f" set ingest.source: {found}, or ingest.format: auto"
        )
    if found not in BUILT_INS:
        _check_folder(source, local_path(source, root))
    return found


def _guess(source: str, root: Path) -> str:
    if source in BUILT_INS:
        return source
    return "idx" if is_idx_folder(local_path(source, root)) else "folder"


def _check_folder(source: str, path: Path) -> None:
    where = f"params.yaml: ingest.source: {source!r}"
    if path.is_dir():
        return
    if "://" in source:
        raise DataError(
            f"{where}: URLs are not read; choose one of {list(BUILT_INS)} or a local folder; download it first"
        )
    if path.exists():
        raise DataError(f"{where}: {path} is a file; a folder of images by class is read; unpack it to one")
    if source.replace("-", "").replace("_", "").isalnum():  # looks like a name: of a built-in set, perhaps
        raise DataError(
            f"{where}: no built-in set, and no folder {path}; {choices(source, BUILT_INS)},"
            " or give the path of a folder of images by class"
        )
    raise DataError(f"{where}: no folder {path}; give the path of a folder of images by class")
