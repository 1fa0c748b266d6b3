"""Folders of a competition: `train.csv`, a `test.csv` or images without target, and `sample_submission.csv`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from headrace.contracts import Assumption
from headrace.errors import DataError
from headrace.paths import SPLIT_ALIASES

SUBMISSION = "submission"


class Competition(NamedTuple):
    """The table of a competition."""

    train: Path
    target: str | list[str] | None
    """The columns that the submission names and the other files show to be targets; None if they do not."""
    assumptions: list[Assumption]


def find_competition(paths: Iterable[Path], read_names: Callable[[Path], list[str]]) -> Competition | None:
    """Returns the table to learn from, if the other files are a `test` without the target, or only a submission.

    `read_names`: returns the columns of a file, or raises DataError.
    """
    by_kind: dict[str | None, list[Path]] = {}
    for path in paths:
        by_kind.setdefault(_find_kind(path), []).append(path)
    submissions = by_kind.pop(SUBMISSION, [])
    data = [path for kind, each in by_kind.items() if kind != "test" for path in each]
    tests = by_kind.get("test", [])
    if len(data) != 1 or len(tests) > 1 or not (tests or submissions) or (tests and "train" not in by_kind):
        return None
    try:
        names = read_names(data[0])
        without = read_names(tests[0]) if tests else []
        submitted = read_names(submissions[0]) if submissions else []
    except DataError:  # raised again, with its advice, when the table is read
        return None
    if not tests:  # those to be answered are images; the first column of a submission is their id
        return Competition(data[0], _unwrap(names, submitted[1:]), _assume_submission(data[0], submissions[0]))
    missing = [name for name in names if name not in without]
    targets = _unwrap(missing, submitted) or (missing[0] if len(missing) == 1 else None)
    if not targets or set(without) - set(names):
        return None
    return Competition(data[0], targets, _assume_test(data[0], tests[0]))


def _unwrap(names: Iterable[str], submitted: Iterable[str]) -> str | list[str] | None:
    """The submitted names among those of the data: one, a list of several, or None."""
    shared = [name for name in submitted if name in names]
    return None if not shared else shared[0] if len(shared) == 1 else shared


def _find_kind(path: Path) -> str | None:
    """A split, `submission`, or None."""
    if SUBMISSION in path.name.lower():
        return SUBMISSION
    words = [word for word in re.split(r"[^a-z]+", path.name.lower()) if word]
    return next((SPLIT_ALIASES[word] for word in words if word in SPLIT_ALIASES), None)


def _assume_test(train: Path, test: Path) -> list[Assumption]:
    return _assume(f"{train.name} is the data; {test.name} has no target: headrace predict answers such files")


def _assume_submission(train: Path, submission: Path) -> list[Assumption]:
    return _assume(f"{train.name} is the data; {submission.name} shows the form of answers, and is not read")


def _assume(text: str) -> list[Assumption]:
    setting = "ingest.source: a folder or pattern of other files"
    return [Assumption(stage="ingest", subject="files", text=text, setting=setting, is_warning=True)]
