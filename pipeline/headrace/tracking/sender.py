"""The background process that sends the outbox to MLflow: `headrace send PROJECT`.

At most one runs per destination. It sends events in order and records its position after each; after a kill, the next
one continues there. It ends when nothing is left and no producer lives. While the server does not respond it tries
again, as long as a producer lives; what is left then waits for the next stage, or for `headrace sync`.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from headrace.contracts import Json
from headrace.errors import TrackingError
from headrace.paths import Paths
from headrace.storage.lock import try_lock
from headrace.tracking.client import (
    REASON_CHARACTERS,
    connect,
    find_or_create_experiment,
    is_denied,
    is_permanent,
    translate_mlflow_errors,
)
from headrace.tracking.launch import describe_process, is_alive
from headrace.tracking.outbox import Outbox, open_outbox, read_json
from headrace.tracking.runs import RunWriter
from headrace.tracking.uri import check_tracking_uri

POLL_S = 0.3
BACKOFF_S = (POLL_S, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
EVENTS_PER_REQUEST = 100
NICENESS = 5


class Sender:
    """Sends one outbox."""

    def __init__(self, paths: Paths, outbox: Outbox) -> None:
        """Connects at the first step."""
        self._paths, self._outbox = paths, outbox
        self._writer: RunWriter | None = None
        self._position = outbox.read_position()
        self._offset, self._pending = 0, list[Json]()

    def run(self, release: Callable[[], None]) -> None:
        """Sends until nothing is left and no producer lives; `release` gives up the sender's lock."""
        num_failures = 0
        while True:
            self._outbox.wake_path.unlink(missing_ok=True)
            self._read()
            is_sent = self._try_step()
            num_failures = 0 if is_sent else num_failures + 1
            if self._end(is_sent, release):
                return
            self._wait(BACKOFF_S[min(num_failures, len(BACKOFF_S) - 1)])

    def _end(self, is_sent: bool, release: Callable[[], None]) -> bool:
        """Ends if that is right. Under the lock, so that nobody takes an ending sender for one that will send."""
        with self._outbox.locked():
            self._read()
            if not self._pending:
                self._outbox.clear()
                self._offset = 0
            has_work = is_sent and (self._pending or self._find_killed())
            if has_work or self._find_producers():
                return False
            release()
            return True

    def _step(self) -> None:
        """Sends what is pending, and closes the runs of trainings that were killed."""
        if self._writer is None:
            self._writer = RunWriter(connect(self._paths), self._paths, self._outbox)
            self._report("ready")
        while self._pending:
            events = self._take()
            self._apply(self._writer, events)
            self._position["number"] = events[-1]["number"]
            self._outbox.write_position(self._position)
            del self._pending[: len(events)]
        for key in self._find_killed():
            if not self._has_news():  # which may be its end
                now = int(time.time() * 1000)
                self._apply(
                    self._writer, [{"kind": "end", "run_key": key, "status": "KILLED", "history": [], "time": now}]
                )
                self._outbox.write_position(self._position)

    def _find_killed(self) -> list[str]:
        """The runs whose training did not end, and whose process did."""
        return [key for key, process in self._position["open"].items() if not is_alive(process)]

    def _take(self) -> list[Json]:
        """The next event, or the next metrics together."""
        kinds = [event["kind"] for event in self._pending[:EVENTS_PER_REQUEST]]
        num_metrics = next((index for index, kind in enumerate(kinds) if kind != "metrics"), len(kinds))
        return self._pending[: max(num_metrics, 1)]

    def _apply(self, writer: RunWriter, events: list[Json]) -> None:
        event = events[0]
        try:
            writer.apply(events)
        except Exception as error:
            if not is_permanent(error):
                raise
            find_or_create_experiment(writer.client, self._paths)  # raises if it was deleted meanwhile
            _log(f"refused: {event['kind']}: {error}")
            for refused in events:
                self._outbox.reject(refused, str(error))
        if event["kind"] == "start":
            self._position["open"][event["run_key"]] = event["process"]
        elif event["kind"] == "end":
            self._position["open"].pop(event["run_key"], None)

    def _try_step(self) -> bool:
        """Whether the step succeeded; otherwise the status says why not. Nothing that fails may lose an event."""
        try:
            with translate_mlflow_errors(self._paths):
                self._step()
        except TrackingError as error:
            cause = error.__cause__
            is_refused = cause is None or is_denied(cause) or is_permanent(cause)
            self._report("refused" if is_refused else "unreachable", str(error))
            _log(str(error))
            return False
        except Exception as error:  # noqa: BLE001 artifact stores have errors of their own
            reason = " ".join(str(error).split())[:REASON_CHARACTERS]
            self._report(
                "unreachable", f"MLflow: {type(error).__name__}: {reason}; see {self._paths.tracking_log_path}"
            )
            _log(traceback.format_exc())
            return False
        if self._outbox.read_status()["state"] != "ready":
            self._report("ready")
        return True

    def _report(self, state: str, message: str = "") -> None:
        self._outbox.write_status(describe_process(os.getpid()), state, message)

    def _read(self) -> None:
        events, self._offset = self._outbox.read(self._offset)
        self._pending += [event for event in events if event["number"] > self._position["number"]]

    def _has_news(self) -> bool:
        return self._outbox.events_path.is_file() and self._outbox.events_path.stat().st_size > self._offset

    def _wait(self, seconds: float) -> None:
        """Waits: until the time is over, somebody waits for the sender, or the producers have ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._outbox.wake_path.exists() and self._find_producers():
            time.sleep(min(seconds, POLL_S))

    def _find_producers(self) -> list[Path]:
        """The producers that live; forgets the others."""
        paths = sorted((self._outbox.folder / "producers").glob("[0-9]*"))
        dead = [path for path in paths if not is_alive(read_json(path))]
        for path in dead:
            path.unlink(missing_ok=True)
        return [path for path in paths if path not in dead]


def send_outbox(root: str) -> None:
    """Sends the outbox of the project at `root`, unless another process does."""
    os.nice(NICENESS)  # the training comes first
    paths = Paths(Path(root))
    outbox = open_outbox(paths)
    with outbox.locked():
        release = try_lock(outbox.sender_lock_path)
        if release is None:
            return
        outbox.write_status(describe_process(os.getpid()), "connecting")
    try:
        check_tracking_uri(paths)
    except TrackingError as error:
        outbox.write_status(describe_process(os.getpid()), "refused", str(error))
        return
    Sender(paths, outbox).run(release)


def _log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
    sys.stderr.flush()
