"""Folders of a competition: `train.csv`, a `test.csv` without target, and `sample_submission.csv`, which names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from headrace.contracts import Assumption
from headrace.errors import DataError
from headrace.paths import SPLIT_ALIASES

SUBMISSION = re.compile(r"(?i)submission")


class Competition(NamedTuple):
    """The table of a competition."""

    train: Path
    target: str | list[str]
    assumptions: list[Assumption]


def find_competition(paths: Iterable[Path], read_names: Callable[[Path], list[str]]) -> Competition | None:
    """Returns the table to learn from, if one file is `train`, one is `test`, and the latter lacks the target.

    `read_names`: returns the columns of a file, or raises DataError.
    """
    by_kind: dict[str | None, list[Path]] = {}
    for path in paths:
        by_kind.setdefault(_find_kind(path), []).append(path)
    train, test, submissions = (by_kind.get(kind, []) for kind in ("train", "test", "submission"))
    if len(train) != 1 or len(test) != 1 or set(by_kind) - {"train", "test", "submission"}:
        return None
    try:
        names, without = read_names(train[0]), read_names(test[0])
        submitted = read_names(submissions[0]) if submissions else []
    except DataError:  # raised again, with its advice, when the table is read
        return None
    missing = [name for name in names if name not in without]
    targets = [name for name in submitted if name in missing] or (missing if len(missing) == 1 else [])
    if not targets or set(without) - set(names):
        return None
    return Competition(train[0], targets[0] if len(targets) == 1 else targets, _assume(train[0], test[0]))


def _find_kind(path: Path) -> str | None:
    """`train`, `test`, `submission`, or None."""
    if SUBMISSION.search(path.name):
        return "submission"
    words = [word for word in re.split(r"[^a-z]+", path.name.lower()) if word]
    return next((SPLIT_ALIASES[word] for word in words if word in SPLIT_ALIASES), None)


def _assume(train: Path, test: Path) -> list[Assumption]:
    return [
        Assumption(
            stage="ingest",
            subject="files",
            text=f"{train.name} is the data; {test.name} has no target: headrace predict {test.name} answers it",
            setting="ingest.source: a folder or pattern of other files",
            is_warning=True,
        )
    ]
