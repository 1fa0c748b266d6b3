"""Ingest: source -> data/raw. Copies every row as it is, gives it an id, and tells what the data are."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field, ValidationInfo, field_validator

from headrace.config import read_params
from headrace.contracts import Metrics, OpenedSource, TaskName
from headrace.data.datasets import BUILT_INS, BuiltIn
from headrace.data.readers import READERS, check_format, find_reader, missing
from headrace.data.sources.fetch import SourceLimits, fetch, local_path
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.storage.atomic import atomic_dir, write_text
from headrace.storage.label_codec import read_names
from headrace.storage.parquet import write_shards

log = logging.getLogger(__name__)


class Config(ReadOptions):
    """Where the rows come from and what they are for."""

    format: str = "auto"
    """Reader of the source: folder (images by class), text_folder, table, idx, cifar, or a built-in set's; auto: found.

    A published set's name (adult, sms-spam, imdb ...) beside a path reads a copy of its files.
    """
    checksum: str | None = Field(default=None, pattern=r"^(sha256|md5):[0-9a-fA-F]+$")
    """What a downloaded file must hash to, such as sha256:9f86d0...; null: only its length is verified."""
    max_files: int = Field(default=2_000_000, gt=0)
    """Files that an archive may hold."""
    max_gib: float = Field(default=200.0, gt=0)
    """GiB that an archive may unpack to."""

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, wanted: str, info: ValidationInfo) -> str:
        try:
            check_format(wanted, info.data.get("source", wanted))
        except ConfigError as error:
            raise ValueError(str(error).removeprefix("params.yaml: ingest.format: ")) from None
        return wanted


class _Tally:
    """Counts the rows that stream past."""

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.num_bytes = 0

    def watch(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.labels.update(batch.column("label").unique().to_pylist())
            self.num_bytes += batch.nbytes
            yield batch


def run(config: Config, paths: Paths) -> Metrics:
    """Reads the source into `data/raw`; raises DataError for a source that cannot be learned from."""
    opened = _open(config, paths)
    tally = _Tally()
    with atomic_dir(paths.raw_dir) as folder:
        batches = tally.watch(opened.batches)
        first = next(batches, None)
        if first is None:
            raise DataError(f"params.yaml: ingest.source: {config.source!r}: holds no rows; give one that does")
        num_rows = write_shards(folder, opened.schema, chain([first], batches))
        spec = opened.spec.model_copy(update={"num_rows": num_rows})
        write_text(folder / "spec.json", spec.text())
    return {
        "rows": num_rows,
        "classes": _num_classes(tally.labels - {None}, spec.task),
        "columns": len(spec.columns),
        "bytes": tally.num_bytes,
    }


def _num_classes(labels: set[str], task: TaskName) -> int:
    if task == "multilabel":
        return len({name for label in labels for name in read_names(label)})
    return len(labels) if task == "classification" else 0


def _open(config: Config, paths: Paths) -> OpenedSource:
    """Finds the source, brings it here if it is elsewhere, and looks into it."""
    name = config.format if config.format in BUILT_INS else config.source
    built_in = BUILT_INS.get(name) if config.format in {"auto", name} else None
    if built_in is None:
        path = _fetched(config.source, config, paths)
        reader = find_reader(config.format, config.source, path)
        _warn_of_missing_dep(config.source, paths)
        return READERS[reader](path, config)
    options = _with_defaults(config, built_in)
    if not built_in.files:
        return built_in.read(paths.root, options)
    if config.source != name:
        path = _fetched(config.source, config, paths)
        find_reader(built_in.reader, config.source, path)
        _warn_of_missing_dep(config.source, paths)
    else:
        path = _published(name, built_in, config, paths)
    return READERS[built_in.reader](path, options)


def _fetched(source: str, config: Config, paths: Paths) -> Path:
    path = local_path(source, paths.root)
    if re.fullmatch(r"[\w-]+", source) and not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for long names
        raise DataError(f"params.yaml: ingest.source: {source!r}: {missing(source, path)}")
    return fetch(source, paths.root, paths.state_dir / "sources", checksum=config.checksum, limits=_limits(config))


def _published(name: str, built_in: BuiltIn, config: Config, paths: Paths) -> Path:
    """Downloads the files of a published set into one folder of its own, unless they are there."""
    folder = paths.state_dir / "sources" / name
    found = [
        fetch(url, paths.root, folder, checksum=checksum, limits=_limits(config), into=folder)
        for url, checksum in built_in.files
    ]
    return found[0] / built_in.member if len(found) == 1 else folder


def _limits(config: Config) -> SourceLimits:
    return SourceLimits(max_files=config.max_files, max_bytes=int(config.max_gib * 2**30))


def _with_defaults(config: Config, built_in: BuiltIn) -> ReadOptions:
    """The settings over those that the set comes with."""
    given: dict[str, Any] = config.model_dump(exclude_unset=True, include=set(ReadOptions.model_fields))
    table = built_in.options.get("table", {}) | given.pop("table", {})
    return ReadOptions.model_validate({**built_in.options, **given, "table": table})


def _warn_of_missing_dep(source: str, paths: Paths) -> None:
    """DVC re-runs ingest for the deps that it knows, and it cannot know `ingest.source`."""
    dvc_path = paths.root / "dvc.yaml"
    if not dvc_path.is_file() or "://" in source:
        return
    stage = (read_params(dvc_path).get("stages") or {}).get("ingest") or {}
    deps = [next(iter(dep)) if isinstance(dep, dict) else str(dep) for dep in stage.get("deps") or []]
    wanted = local_path(source, paths.root).resolve()
    known = [local_path(dep.replace("${ingest.source}", source), paths.root).resolve() for dep in deps]
    if not any(wanted.is_relative_to(dep) for dep in known):
        log.warning(
            "dvc.yaml: stages.ingest.deps does not list %r, so dvc repro will not see its changes; add it", source
        )
