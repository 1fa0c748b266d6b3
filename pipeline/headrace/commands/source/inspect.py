"""Reads the first rows of a source with the readers of `ingest`, and summarizes what settings depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from headrace.config import validate_section
from headrace.contracts import Spec
from headrace.data.image.open_image import UndecodableError, open_image
from headrace.errors import ConfigError, DataError, HeadraceError
from headrace.paths import Paths
from headrace.settings.ingest import Config
from headrace.stages.ingest import open_source

MAX_ROWS, MAX_BYTES = 20_000, 200 * 2**20
"""Rows and bytes that are read at most; the first batch beyond either is the last."""
OPTIONS = {"params.yaml: ingest.source": "--source", "params.yaml: ingest.target": "--target"}
"""Settings that errors of readers name -> the option that sets them."""


class SourceSummary(NamedTuple):
    """What the first rows of a source show."""

    spec: Spec
    num_rows: int
    """Rows that were read."""
    is_complete: bool
    """Whether these are all rows."""
    class_shares: dict[str, float]
    """Class -> its fraction of the labelled rows; empty unless all rows were read and have one class each."""
    image_sides: list[int]
    """The shorter side of each image in pixels; of unreadable ones none."""
    has_one_size: bool
    """Whether all images have the same height and width."""


def inspect_source(source: str, targets: list[str], paths: Paths) -> SourceSummary:
    """Opens a source as `ingest` would in the project at `paths`, where downloads and unpacked archives stay.

    Raises DataError or ConfigError, in terms of the command's options, if it cannot be read or has no clear target.
    """
    try:
        target = targets[0] if len(targets) == 1 else targets or None
        opened = open_source(
            validate_section(Config, {"source": source, "target": target}, "params.yaml: ingest"), paths
        )
        return _summarize(opened.spec, opened.batches)
    except HeadraceError as error:
        raise type(error)(_reword(str(error))) from None


def _summarize(spec: Spec, batches: Iterable[Any]) -> SourceSummary:
    num_rows, num_bytes, is_complete = 0, 0, True
    labels, sizes = Counter[str | None](), list[tuple[int, int]]()
    for batch in batches:
        if num_rows >= MAX_ROWS or num_bytes >= MAX_BYTES:
            is_complete = False
            break
        num_rows, num_bytes = num_rows + batch.num_rows, num_bytes + batch.nbytes
        labels.update(batch.column("label").to_pylist())
        if spec.modality == "image":
            sizes += _read_sizes(batch.column("image").to_pylist())
    if not num_rows:
        raise DataError(f"--source: {spec.source!r} holds no rows; give a source that does")
    del labels[None]
    has_classes = spec.task == "classification" and is_complete
    shares = {str(label): count / labels.total() for label, count in labels.items()} if has_classes else {}
    if has_classes and len(shares) < 2:  # noqa: PLR2004
        raise DataError(
            f"--source: {spec.source!r} has {len(shares)} classes ({', '.join(shares) or 'no labels'}); at least two"
            " are needed; give a source with more, or another --target"
        )
    return SourceSummary(spec, num_rows, is_complete, shares, [min(size) for size in sizes], len(set(sizes)) == 1)


def _read_sizes(images: Iterable[bytes]) -> list[tuple[int, int]]:
    """Width and height by the head of each file, as stored; `clean` reports those that cannot be read."""
    sizes = []
    for image in images:
        with suppress(UndecodableError), open_image(image) as head:
            sizes.append(head.size)
    return sizes


def _reword(message: str) -> str:
    for setting, option in OPTIONS.items():
        message = message.replace(f"{setting}: null, but", f"{option}: not given, and").replace(setting, option)
    if "ingest." not in message:
        return message
    return f"{message} (init without --source makes a project whose params.yaml takes these settings)"


def resolve_source(source: str, folder: Path, built_ins: Collection[str]) -> str:
    """Returns `ingest.source` for a project in `folder`: a path is made absolute, or relative if it lies inside.

    `source` starts at the current folder. Raises ConfigError for a path that params.yaml cannot hold, or that
    contains the project.
    """
    if source in built_ins and not Path(source).exists():
        return source
    if "://" in source:
        return source
    try:
        source.encode()
        path = Path.cwd() / Path(source).expanduser()
    except (UnicodeEncodeError, RuntimeError) as error:
        raise ConfigError(f"--source: {source!a}: {error}; give a path in UTF-8 that exists") from None
    path = Path(*(part for part in path.parts if part != "."))
    if ".." in path.parts:
        path = path.resolve()
    if folder.is_relative_to(path):
        raise ConfigError(f"--source: {source!r} contains the project, {folder}; choose a folder outside of it for DIR")
    if not path.is_relative_to(folder):
        return str(path)
    inside = str(path.relative_to(folder))
    return f"./{inside}" if inside in built_ins else inside
