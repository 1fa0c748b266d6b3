"""Ingest: source -> data/raw. Copies every row unchanged, gives it an id, and describes the data."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.config import list_dvc_deps
from headrace.contracts import Metrics, OpenedSource, Spec, TaskName
from headrace.data.datasets import BUILT_INS, BuiltInDataset
from headrace.data.readers import PACKAGED_READERS, READERS, choose_reader, describe_missing
from headrace.data.sources.assumptions import assume_source, warn_of_assumptions
from headrace.data.sources.fetch import SourceLimits, fetch, resolve_local_path
from headrace.data.sources.linked_folders import describe_links, find_unwatched_links
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.transfer.urls import get_scheme, redact_url
from headrace.errors import ConfigError, DataError
from headrace.paths import CONTRACT, Paths
from headrace.settings.ingest import Config
from headrace.storage.atomic import atomic_dir, write_text
from headrace.storage.label_codec import decode_names
from headrace.storage.parquet import write_shards

logger = logging.getLogger(__name__)


class _Tally:
    """Collects the labels and bytes of the batches that pass through."""

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.num_bytes = 0

    def watch(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.labels.update(batch.column("label").unique().to_pylist())
            self.num_bytes += batch.nbytes
            yield batch


def run(config: Config, paths: Paths, check_spec: Callable[[Spec], None] | None = None) -> Metrics:
    """Reads the source into `data/raw`; raises DataError if it is missing, unreadable or empty.

    `check_spec` is called before any row is read, and may raise.
    """
    opened = open_source(config, paths)
    if check_spec:
        check_spec(opened.spec)
    tally = _Tally()
    with atomic_dir(paths.raw_dir) as folder:
        batches = tally.watch(opened.batches)
        first = next(batches, None)
        if first is None:
            raise DataError(f"params.yaml: ingest.source: {config.source!r}: holds no rows; use a source that does")
        num_rows = write_shards(folder, opened.schema, chain([first], batches))
        _check_labels(tally.labels - {None}, opened.spec, num_rows)
        spec = opened.spec.model_copy(update={"num_rows": num_rows})
        spec = opened.finish(folder, spec) if opened.finish else spec
        write_text(folder / "spec.json", spec.to_json())
    warn_of_assumptions(spec.assumptions)
    _point_to_contract(paths)
    return {
        "rows": num_rows,
        "classes": _num_classes(tally.labels - {None}, spec.task),
        "columns": len(spec.columns),
        "bytes": tally.num_bytes,
    }


def _point_to_contract(paths: Paths) -> None:
    """Prints, for the first rows of a project, that nothing holds later ones to them."""
    if not paths.contract_path.is_file() and not paths.clean_dir.exists():
        print(  # noqa: T201
            f"ingest: assumes that later data have these columns and values: {CONTRACT}, which would hold them to it,"
            " is not there; after clean, this writes it: headrace contract",
            flush=True,
        )


def _check_labels(labels: set[str], spec: Spec, num_rows: int) -> None:
    """Raises DataError if all rows have the same label; several labels in one row may still differ."""
    if len(labels) != 1 or spec.task == "multilabel":
        return
    target = spec.target or ", ".join(spec.targets) or "the class"
    raise DataError(
        f"params.yaml: ingest.target: {target!r} has one value, {next(iter(labels))[:40]!r}, in all {num_rows:,} rows;"
        " at least two are needed; choose another column, or a source with rows of another value"
    )


def _num_classes(labels: set[str], task: TaskName) -> int:
    if task == "multilabel":
        return len({name for label in labels for name in decode_names(label)})
    return len(labels) if task == "classification" else 0


def open_source(config: Config, paths: Paths) -> OpenedSource:
    """Finds the source, downloads it if necessary, and opens it; raises DataError or ConfigError if it cannot."""
    name = config.format if config.format in BUILT_INS else config.source
    built_in = BUILT_INS.get(name) if config.format in {"auto", name} else None
    if built_in is None:
        path = _fetch(config.source, config, paths)
        reader = choose_reader(config.format, config.source, path)
        _warn_if_not_a_dep(config.source, paths)
        _check_confined(config, path, paths)
        opened = READERS[reader](path, config)
        remarks = [*assume_source(config.source), *opened.spec.assumptions]
        return opened._replace(spec=opened.spec.model_copy(update={"assumptions": remarks}))
    options = _read_options(config, built_in)
    if not built_in.files:
        return PACKAGED_READERS[name](paths.root, options)
    if config.source != name:
        path = _fetch(config.source, config, paths)
        choose_reader(built_in.reader, config.source, path)
        _warn_if_not_a_dep(config.source, paths)
    else:
        path = _download_dataset(name, built_in, config, paths)
    return READERS[built_in.reader](path, options)


def _check_confined(config: Config, path: Path, paths: Paths) -> None:
    """Raises ConfigError if a table that others wrote, as it was downloaded or unpacked, may name files elsewhere."""
    if config.allow_outside and path.is_relative_to(paths.state_dir / "sources"):
        shown = redact_url(config.source) if get_scheme(config.source) else config.source
        raise ConfigError(
            f"params.yaml: ingest.allow_outside: true, but {shown!r} is a URL or an archive, whose"
            " tables may name only files beside them; remove it, or give a local folder"
        )


def _fetch(source: str, config: Config, paths: Paths) -> Path:
    path = resolve_local_path(source, paths.root)
    if re.fullmatch(r"[\w-]+", source) and not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for long names
        raise DataError(f"params.yaml: ingest.source: {source!r}: {describe_missing(source, path)}")
    return fetch(source, paths.root, paths.state_dir / "sources", checksum=config.checksum, limits=_limits(config))


def _download_dataset(name: str, built_in: BuiltInDataset, config: Config, paths: Paths) -> Path:
    """Downloads the files of a published dataset into a folder of its own, unless they are already there."""
    folder = paths.state_dir / "sources" / name
    files = [
        fetch(url, paths.root, folder, checksum=checksum, limits=_limits(config), into=folder)
        for url, checksum in built_in.files
    ]
    return files[0] / built_in.member if len(files) == 1 else folder


def _limits(config: Config) -> SourceLimits:
    return SourceLimits(
        max_files=config.max_files,
        max_bytes=int(config.max_gib * 2**30),
        allow_private_addresses=config.allow_private_addresses,
    )


def _read_options(config: Config, built_in: BuiltInDataset) -> ReadOptions:
    """The settings of the section, on top of those of the dataset."""
    given: dict[str, Any] = config.model_dump(exclude_unset=True, include=set(ReadOptions.model_fields))
    table = built_in.options.get("table", {}) | given.pop("table", {})
    return ReadOptions.model_validate({**built_in.options, **given, "table": table})


def _warn_if_not_a_dep(source: str, paths: Paths) -> None:
    """Warns if the source is not a dep of ingest in `dvc.yaml`, so that DVC would not notice changes."""
    deps = None if "://" in source else list_dvc_deps(paths.root / "dvc.yaml", "ingest")
    if deps is None:
        return
    wanted = resolve_local_path(source, paths.root).resolve()
    watched = [resolve_local_path(dep.replace("${ingest.source}", source), paths.root).resolve() for dep in deps]
    if not any(wanted.is_relative_to(dep) for dep in watched):
        logger.warning(
            "dvc.yaml: stages.ingest.deps does not list %r, so dvc repro will not see its changes; add it", source
        )
    elif links := find_unwatched_links(source, deps, paths.root):
        logger.warning("ingest.source: %s", describe_links(links))
