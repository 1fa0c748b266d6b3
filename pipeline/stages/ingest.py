"""Ingest: source -> data/raw. Copies every row as it is, gives it an id, and tells what the data are."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Literal

from pipeline.config import Section, read_params
from pipeline.contracts import Metrics, Spec
from pipeline.errors import ConfigError
from pipeline.modalities.image.read import local_path
from pipeline.modalities.read import BUILT_INS, MODALITIES, READERS, find_reader
from pipeline.paths import Paths
from pipeline.storage.atomic import atomic_dir, write_text
from pipeline.storage.tables import write_shards

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)


class Config(Section):
    """Where the rows come from and what they are for."""

    source: str = "mnist5k"
    """Built-in set, or a folder of images by class or of IDX files: absolute, below ~, or in the project."""
    format: Literal["auto", "mnist5k", "folder", "idx"] = "auto"
    """Reader of the source; auto: the built-in set of that name, IDX files in a folder, else a folder by class."""
    task: Literal["auto", "classification"] = "auto"
    """What a model will be asked for; auto: classification."""
    target: str | None = None
    """Column to predict; null for images, whose class is the name of their folder."""


class _Tally:
    """Counts the rows that stream past."""

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.num_bytes = 0

    def watch(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.labels.update(label for label in batch.column("label").to_pylist() if label is not None)
            self.num_bytes += batch.nbytes
            yield batch


def run(config: Config, paths: Paths) -> Metrics:
    """Reads the source into `data/raw`; raises DataError for a source that cannot be learned from."""
    reader = find_reader(config.format, config.source, paths.root)
    if config.target is not None:
        raise ConfigError(
            f"params.yaml: ingest.target: got {config.target!r}; must be null for images,"
            " whose class is the name of their folder; remove it"
        )
    if reader not in BUILT_INS:
        _warn_of_missing_dep(config.source, paths)
    tally = _Tally()
    with atomic_dir(paths.raw_dir) as folder:
        batches = tally.watch(READERS[reader](config.source, paths.root))
        first = next(batches)
        num_rows = write_shards(folder, first.schema, chain([first], batches))
        spec = Spec(
            modality=MODALITIES[reader], task="classification", source=config.source, format=reader, num_rows=num_rows
        )
        write_text(folder / "spec.json", spec.text())
    return {"rows": num_rows, "classes": len(tally.labels), "bytes": tally.num_bytes}


def _warn_of_missing_dep(source: str, paths: Paths) -> None:
    """DVC re-runs ingest for the deps that it knows, and it cannot know `ingest.source`."""
    dvc_path = paths.root / "dvc.yaml"
    if not dvc_path.is_file():
        return
    stage = (read_params(dvc_path).get("stages") or {}).get("ingest") or {}
    deps = [next(iter(dep)) if isinstance(dep, dict) else str(dep) for dep in stage.get("deps") or []]
    wanted = local_path(source, paths.root).resolve()
    known = [local_path(dep.replace("${ingest.source}", source), paths.root).resolve() for dep in deps]
    if not any(wanted.is_relative_to(dep) for dep in known):
        log.warning(
            "dvc.yaml: stages.ingest.deps does not list %r, so dvc repro will not see its changes; add it", source
        )
