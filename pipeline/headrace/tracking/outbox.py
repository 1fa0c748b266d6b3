"""The outbox: stages append events for MLflow to a file, and one background process sends them in order.

One folder per destination (tracking URI and experiment) below `.headrace/outbox/`:

    events.jsonl     one event per line, numbered; emptied when everything was sent
    position.json    number of the last event that MLflow has, and the open runs; replaced after each event
    files/           copies of the files to upload, by SHA-256: DVC deletes outs when their stage starts again
    producers/       processes that may append more: the sender does not end before them
    status.json      what the sender found when it connected
    wake             somebody waits: try again at once
    rejected.jsonl   events that the server refused for good, with the reason
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from headrace.contracts import Json
from headrace.paths import Paths
from headrace.storage.atomic import atomic_file, write_json
from headrace.storage.lock import try_lock, wait_for_lock
from headrace.tracking.uri import TRACKING, experiment_name, remove_credentials, tracking_uri


class Outbox:
    """The events for one destination."""

    def __init__(self, folder: Path) -> None:
        """Nothing is created before the first event."""
        self.folder = folder
        self.events_path, self.rejected_path = folder / "events.jsonl", folder / "rejected.jsonl"
        self.status_path, self.sender_lock_path = folder / "status.json", folder / "sender.lock"
        self.wake_path = folder / "wake"
        self._last = (-1, 0)  # size of the file after this object's last append, and that event's number

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Excludes other processes from appending, starting a sender, and ending as the sender."""
        with wait_for_lock(self.folder / "append.lock"):
            yield

    def append(self, event: Json, files: Mapping[str, Path] | None = None) -> int:
        """Adds an event with its time and the files that belong to it, by artifact path; returns its number.

        It is on disk when this returns. A kill in the middle leaves part of a line, which the next append removes.
        """
        with self.locked():
            copies = {name: self._store(path) for name, path in (files or {}).items()}
            descriptor = os.open(self.events_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                number = self._last_number(descriptor) + 1
                entry = {"number": number, "time": int(time.time() * 1000), **event, "files": copies}
                line = json.dumps(entry).encode() + b"\n"
                while line:  # one call, unless the disk is full
                    line = line[os.write(descriptor, line) :]
                os.fsync(descriptor)
                self._last = (os.fstat(descriptor).st_size, number)
            finally:
                os.close(descriptor)
        return number

    def read(self, offset: int = 0) -> tuple[list[Json], int]:
        """Returns the complete events from a place in the file, and the place after them."""
        if not self.events_path.is_file():
            return [], 0
        with self.events_path.open("rb") as file:
            file.seek(offset)
            complete = file.read().rpartition(b"\n")[0]
        lines = complete.split(b"\n") if complete else []
        return [json.loads(line) for line in lines], offset + len(complete) + (1 if complete else 0)

    def read_pending(self) -> list[Json]:
        """Returns the events that MLflow does not have yet."""
        number = self.read_position()["number"]
        return [event for event in self.read()[0] if event["number"] > number]

    def read_position(self) -> Json:
        """Returns the `number` of the last event that was sent, and the `open` runs by the key of their training."""
        return {"number": 0, "open": {}, **read_json(self.folder / "position.json")}

    def write_position(self, position: Json) -> None:
        """Records that all events up to `number` were sent."""
        write_json(self.folder / "position.json", position)

    def read_status(self) -> Json:
        """Returns the sender's `process`, `state` and `message`, and the `time` of writing in seconds since boot."""
        return {"process": {}, "state": "connecting", "message": "", "time": 0.0, **read_json(self.status_path)}

    def write_status(self, process: Json, state: str, message: str = "") -> None:
        """Says whether the sender is "connecting", "ready", or cannot send: "unreachable", "refused"."""
        status = {"process": process, "state": state, "message": message, "time": time.monotonic()}
        write_json(self.status_path, status)

    def reject(self, event: Json, reason: str) -> None:
        """Keeps an event that the server refuses for good."""
        with self.rejected_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**event, "reason": reason}) + "\n")

    def count_rejected(self) -> int:
        """Returns the number of events that were refused for good."""
        return self.rejected_path.read_bytes().count(b"\n") if self.rejected_path.is_file() else 0

    def file_path(self, digest: str) -> Path:
        """The copy of a file with this SHA-256."""
        return self.folder / "files" / digest

    def clear(self) -> None:
        """Removes what was sent; for the sender, under the lock, when nothing is pending."""
        with suppress(FileNotFoundError):
            os.truncate(self.events_path, 0)
        shutil.rmtree(self.folder / "files", ignore_errors=True)

    def is_sender_running(self) -> bool:
        """Whether a process holds the sender's lock; call it under the lock of this outbox."""
        release = try_lock(self.sender_lock_path)
        if release is not None:
            release()
        return release is None

    def _store(self, path: Path) -> str:
        digest = hash_file(path)
        copy = self.file_path(digest)
        if not copy.is_file():
            with atomic_file(copy) as temporary:
                shutil.copyfile(path, temporary)
        return digest

    def _last_number(self, descriptor: int) -> int:
        size = os.fstat(descriptor).st_size
        if size and size == self._last[0]:
            return self._last[1]
        text = self.events_path.read_bytes()  # another process appended, or the sender cleared the file
        complete = text.rpartition(b"\n")[0]
        if text and not text.endswith(b"\n"):
            os.ftruncate(descriptor, len(complete) + 1 if complete else 0)
        last = int(json.loads(complete.rpartition(b"\n")[2])["number"]) if complete else 0
        return max(last, int(self.read_position()["number"]))


def open_outbox(paths: Paths) -> Outbox:
    """Returns the outbox for the current destination."""
    return Outbox(paths.outbox_dir / name_destination(paths))


def find_outboxes(paths: Paths) -> list[Outbox]:
    """Returns the outboxes of all destinations that the project has recorded to."""
    return [Outbox(folder) for folder in sorted(paths.outbox_dir.glob("*-*")) if folder.is_dir()]


def name_destination(paths: Paths) -> str:
    """Names the folder of the current destination: no URI, which may hold a password, and would break on a move."""
    uri = remove_credentials(tracking_uri(paths)) if os.environ.get(TRACKING) else "local"
    digest = hashlib.sha256(f"{uri}\n{experiment_name()}".encode()).hexdigest()[:12]
    return f"{'server' if os.environ.get(TRACKING) else 'local'}-{digest}"


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Json:
    """Reads a JSON object that is replaced atomically; empty if there is none."""
    try:
        value: Json = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return value
