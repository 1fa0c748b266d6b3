"""Fits the baselines that are not cached yet, in a process of their own with a time limit."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from headrace.contracts import Spec
from headrace.evaluation.baselines.cache import (
    FittedBaseline,
    find_folder,
    read_fitted,
    read_skipped,
    remove_others,
    write_skipped,
)
from headrace.evaluation.baselines.estimators import list_baselines
from headrace.fork_client import fork_detached
from headrace.paths import Paths

COMMAND = "fit-baselines"


class BaselineLimits(NamedTuple):
    """What fitting may cost."""

    seconds: float
    """Per baseline; 0: no baseline is fitted."""
    rows: int
    """Train rows."""


def load_or_fit(
    paths: Paths, limits: BaselineLimits, *, skipped: Mapping[str, str] | None = None
) -> dict[str, FittedBaseline | str]:
    """Returns, by short name, the predictions of each baseline, or why it was skipped; empty if they are off.

    A baseline that exceeded its time limit is fitted again only with a longer one; those in `skipped` (name -> why) are
    not fitted.
    """
    names = list_baselines(Spec.read(paths.normalized_dir)) if limits.seconds else []
    if not names:
        return {}
    folder = find_folder(paths, limits.rows)
    folder.mkdir(parents=True, exist_ok=True)
    remove_others(folder)
    results: dict[str, FittedBaseline | str] = {**(skipped or {})}
    missing = _read_results(names, folder, limits, results)
    while missing:
        elapsed = _run_process([str(paths.root), str(folder), str(limits.seconds), str(limits.rows), *missing], paths)
        missing = _read_results(missing, folder, limits, results)
        if missing:  # the first of them ended the process
            results[missing[0]] = why = _describe_end(elapsed, limits, paths)
            if elapsed >= limits.seconds:
                write_skipped(folder, missing[0], why, limits.seconds)
            missing = missing[1:]
    return {name: results[name] for name in names}


def _read_results(
    names: Sequence[str], folder: Path, limits: BaselineLimits, results: dict[str, FittedBaseline | str]
) -> list[str]:
    """Adds what is known to the results; returns the names of the others."""
    skipped = read_skipped(folder)
    for name in [name for name in names if name not in results]:
        fitted = read_fitted(folder, name)
        if fitted is not None:
            results[name] = fitted
        elif name in skipped and limits.seconds <= skipped[name]["seconds"]:
            results[name] = str(skipped[name]["why"])
    return [name for name in names if name not in results]


def _describe_end(elapsed: float, limits: BaselineLimits, paths: Paths) -> str:
    if elapsed >= limits.seconds:
        return f"not fitted within {limits.seconds:g} s (validate.baselines.seconds)"
    log_path = _log_path(paths).relative_to(paths.root)
    return f"its process ended before it was fitted, perhaps for lack of memory ({log_path})"


def _run_process(arguments: Sequence[str], paths: Paths) -> float:
    """Runs the process until it ends; returns the seconds that it took. It ends with this one, however that ends."""
    log_path, started = _log_path(paths), time.monotonic()
    log_path.parent.mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _start([COMMAND, *arguments], theirs, paths.root, log_path)
        try:
            ours.recv(1)  # nothing is ever sent: the end of the process closes its side
        finally:
            ours.close()  # ends the process, if this one is interrupted
            if process is not None:
                process.wait()
    return time.monotonic() - started


def _start(arguments: list[str], stdin: socket.socket, cwd: Path, log_path: Path) -> subprocess.Popen[bytes] | None:
    """Starts the command in a fork of the server that has imported scikit-learn, or else anew."""
    if fork_detached(arguments, cwd, log_path, stdin=stdin.fileno()) is not None:
        return None
    command = [sys.executable, "-m", "headrace", *arguments]
    with log_path.open("a") as log:  # of its own session: the terminal's signals end it through this process
        return subprocess.Popen(
            command, cwd=cwd, env=os.environ, stdin=stdin.fileno(), stdout=log, stderr=log, start_new_session=True
        )


def _log_path(paths: Paths) -> Path:
    return paths.logs_dir / "baselines.log"
