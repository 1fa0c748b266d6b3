"""File locks, which the kernel releases when their holder dies, so that none is ever stale."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.errors import DataError


@contextmanager
def exclusive_lock(path: Path, what: str) -> Iterator[None]:
    """Holds the lock `path`; raises DataError at once if another live process holds it. `what` names the work."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    holder = path.with_suffix(".pid")
    try:
        lock.acquire()
    except Timeout:
        pid = holder.read_text().strip() if holder.is_file() else "unknown"
        raise DataError(f"{path}: {what} is already running here (process {pid}); wait for it, or stop it") from None
    try:
        holder.write_text(f"{os.getpid()}\n")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Holds the lock `path`, after waiting for its holder."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


def try_lock(path: Path) -> Callable[[], None] | None:
    """Takes the lock `path` and returns the function that releases it; None if another process holds it."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return None
    release: Callable[[], None] = lock.release
    return release
