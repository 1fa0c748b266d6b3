"""Linked folders inside a source: rows are read from them, but DVC does not look behind them for changes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

MAX_ENTRIES = 200_000
"""Files and folders that are searched: links to the folders of classes come early."""


def find_unwatched_links(source: str, deps: Sequence[str], root: Path) -> list[str]:
    """Returns the linked folders below a source, as paths from the project, whose targets no dep of DVC covers.

    `deps`: as they stand in `dvc.yaml`.
    """
    watched = [_resolve(dep.replace("${ingest.source}", source), root).resolve() for dep in deps]
    links = find_links(source, root)
    unwatched = [link for link in links if not any(link.resolve().is_relative_to(dep) for dep in watched)]
    return [os.path.relpath(link, root) for link in unwatched]


def find_links(source: str, root: Path) -> list[Path]:
    """Returns the linked folders below a source that is a local folder."""
    folder = _resolve(source, root)
    return [path for path in islice(_walk(folder), MAX_ENTRIES) if path is not None] if folder.is_dir() else []


def describe_links(links: Sequence[str]) -> str:
    """One clause about such folders, with the remedy."""
    shown = ", ".join(links[:3]) + (", ..." if len(links) > 3 else "")  # noqa: PLR2004 - fit on a line
    noun = "is a link to a folder" if len(links) == 1 else "are links to folders"
    return f"{shown} {noun}, behind which DVC sees no changes; add to stages.ingest.deps in dvc.yaml, or copy them"


def _resolve(source: str, root: Path) -> Path:
    return root / os.path.expanduser(source)  # noqa: PTH111 - Path.expanduser raises for an unknown ~name


def _walk(folder: Path) -> Iterator[Path | None]:
    """Yields the linked folders that are not hidden, and None for anything else; does not look behind links."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name.startswith(".") or not entry.is_dir():
                yield None
            elif entry.is_symlink():
                yield Path(entry.path)
            else:
                yield from _walk(Path(entry.path))
