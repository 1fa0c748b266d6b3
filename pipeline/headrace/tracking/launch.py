"""Starts the sender of the outbox, waits for it and keeps it alive, without importing what it needs."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from headrace.contracts import Json
from headrace.errors import TrackingError
from headrace.fork_client import OWNER_VARIABLE, fork_detached
from headrace.paths import Paths
from headrace.tracking.outbox import Outbox, open_outbox
from headrace.tracking.uri import find_sqlite_file, remove_credentials, tracking_uri

ANSWER_TIMEOUT_S = 30.0
"""How long to wait for the sender's first answer: it imports MLflow, and a server may be slow."""
SECONDS_BEFORE_PROGRESS = 3.0
POLL_S = 0.1
KILLED_TIMEOUT_S = 5.0
"""How long a killed process, which counts as dead at once, may hold its lock: until the last of its threads ends."""
logger = logging.getLogger(__name__)
_started: list[subprocess.Popen[bytes]] = []
"""Nobody waits for them: a Popen without a reference would warn that its process runs."""


def start_sender(paths: Paths) -> None:
    """Starts the process that sends the outbox to MLflow, unless it is running.

    It ends when nothing is left to send and the producers have ended. One of them is the `dvc` above this process, if
    there is one, so that one process, with one import of MLflow, serves all stages.
    """
    outbox = open_outbox(paths)
    dvc = find_dvc()
    if dvc:
        add_producer(outbox, dvc)
    with outbox.locked():
        deadline = time.monotonic() + KILLED_TIMEOUT_S
        while outbox.is_sender_running() and not is_alive(outbox.read_status()["process"]):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S / 10)
        if not outbox.is_sender_running():
            outbox.write_status(describe_process(spawn_sender(paths)), "connecting")


def spawn_sender(paths: Paths) -> int:
    """Starts the sender's process; returns its number."""
    log_path = paths.tracking_log_path
    log_path.parent.mkdir(parents=True, exist_ok=True)
    pid = fork_detached(["send", str(paths.tracking_root)], paths.tracking_root, log_path)
    if pid is not None:
        return pid
    with log_path.open("a") as log:
        process = subprocess.Popen(  # detached: it outlives this stage, and no signal of the terminal reaches it
            [sys.executable, "-m", "headrace", "send", str(paths.tracking_root)],
            cwd=paths.tracking_root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started.append(process)
    return process.pid


@contextmanager
def keep_sender(paths: Paths) -> Iterator[None]:
    """Starts the sender, and keeps it alive while the block runs."""
    outbox = open_outbox(paths)
    add_producer(outbox, os.getpid())
    try:
        start_sender(paths)
        yield
    finally:
        (outbox.folder / "producers" / str(os.getpid())).unlink(missing_ok=True)


def add_producer(outbox: Outbox, pid: int) -> None:
    """Keeps the sender alive as long as this process."""
    folder = outbox.folder / "producers"
    folder.mkdir(parents=True, exist_ok=True)
    with outbox.locked():
        (folder / str(pid)).write_text(json.dumps(describe_process(pid)), encoding="utf-8")


def describe_process(pid: int) -> Json:
    """Returns what identifies a process: its host and start time too, since numbers are used again."""
    return {"host": socket.gethostname(), "pid": pid, "started": _read_stat(pid).started}


def is_alive(process: Json) -> bool:
    """Whether a described process runs; those of other machines count as alive."""
    if not process:
        return False
    if process["host"] != socket.gethostname():
        return True
    stat = _read_stat(int(process["pid"]))
    return stat.state not in {"", "Z"} and stat.started == process["started"]


class _Stat(NamedTuple):
    state: str = ""
    parent: int = 0
    started: int = 0
    """In clock ticks since boot."""


def _read_stat(pid: int) -> _Stat:
    """Returns the state of a process, see proc(5); empty if there is none.

    Not psutil, which adds the time of boot: that moves with the machine's clock.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return _Stat()
    return _Stat(fields[0], int(fields[1]), int(fields[19]))


def wait_for_answer(paths: Paths) -> Json:
    """Returns the sender's `state` ("ready", "unreachable" or "refused") and `message`, once it has connected.

    For a file it does not wait: `check_tracking_uri` found what could be wrong.
    """
    outbox, deadline = open_outbox(paths), time.monotonic() + ANSWER_TIMEOUT_S
    while (status := outbox.read_status())["state"] == "connecting":
        if find_sqlite_file(paths):
            return {"state": "ready", "message": ""}
        if not is_alive(status["process"]) or time.monotonic() > deadline:
            where = remove_credentials(tracking_uri(paths))
            return {"state": "unreachable", "message": f"MLflow: {where}: no answer; see {paths.tracking_log_path}"}
        time.sleep(POLL_S)
    return status


def wait_until_sent(paths: Paths) -> int:
    """Waits until MLflow has every event appended so far; returns their number. Raises TrackingError if that fails.

    Events that the server refused for good count as sent, with a warning.
    """
    outbox = open_outbox(paths)
    pending, num_rejected = outbox.read_pending(), outbox.count_rejected()
    if not pending:
        return 0
    last, since, is_shown = pending[-1]["number"], time.monotonic(), False
    outbox.wake_path.touch()
    start_sender(paths)
    while (number := outbox.read_position()["number"]) < last:
        _raise_if_stuck(paths, outbox, since, last - number)
        if not is_shown and time.monotonic() - since > SECONDS_BEFORE_PROGRESS:
            is_shown = True
            where = remove_credentials(tracking_uri(paths))
            print(f"waiting for MLflow at {where}: {last - number} events to send", flush=True)  # noqa: T201
        time.sleep(POLL_S)
    num_rejected = outbox.count_rejected() - num_rejected
    if num_rejected:
        logger.warning("MLflow refused %d events; they are in %s, with the reasons", num_rejected, outbox.rejected_path)
    return len(pending)


def _raise_if_stuck(paths: Paths, outbox: Outbox, since: float, num_left: int) -> None:
    status = outbox.read_status()
    left = f"{num_left} events wait in {outbox.folder.relative_to(paths.tracking_root)}"
    if status["time"] >= since and status["state"] in {"unreachable", "refused"}:
        raise TrackingError(f"{status['message']} ({left}; headrace sync sends them)")
    if not is_alive(status["process"]) and outbox.read_pending():
        raise TrackingError(f"MLflow: the sender ended; see {paths.tracking_log_path}, and run headrace sync ({left})")


def find_dvc() -> int | None:
    """Returns the outermost `dvc` process above this one, or above the client of this fork."""
    if OWNER_VARIABLE in os.environ:
        return int(os.environ[OWNER_VARIABLE])
    found, pid = None, os.getpid()
    while (pid := _read_stat(pid).parent) > 1:
        words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        if "dvc" in {Path(word).name for word in words[:3]}:  # dvc, python dvc, or python -m dvc
            found = pid
    return found
