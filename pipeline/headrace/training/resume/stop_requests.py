"""Requests that end a training after its next step, when its state is saved: signals, or a file for Ray workers."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Protocol, Self

from headrace.errors import Terminated


class StopRequest(Protocol):
    """Whether the training shall end, and how it ends."""

    def begin(self) -> None:
        """Is called once the steps begin."""

    def is_set(self) -> bool:
        """Whether the training shall save its state and end."""

    def act(self) -> NoReturn:
        """Ends the training by an exception."""


class SignalStop:
    """SIGTERM and Ctrl-C, which act after the step instead of within it; a second one acts at once."""

    def __init__(self) -> None:
        """Handles no signal yet."""
        self._previous: dict[int, Any] = {}
        self._received: int | None = None

    def __enter__(self) -> Self:
        """Notes the handlers, before Lightning wraps them; until `begin` they stay."""
        if threading.current_thread() is threading.main_thread():  # others may set none, and receive no signals
            handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
            # not those that are ignored, as Ctrl-C is in the background of a shell, or that end the process
            self._previous = {number: handler for number, handler in handlers.items() if callable(handler)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Restores the handlers from before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def begin(self) -> None:
        """Takes over the signals that end this process by an exception; called once the steps begin."""
        for number in self._previous:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            self._previous[number](number, frame)
        self._received = number

    def is_set(self) -> bool:
        """Whether a signal has arrived."""
        return self._received is not None

    def act(self) -> NoReturn:
        """Calls the handler from before, which raises."""
        if self._received is not None:
            self._previous[self._received](self._received, None)
        raise Terminated


class FileStop:
    """A file that the caller of Ray workers creates, on storage that they share."""

    NAME = "stop"

    def __init__(self, work_dir: Path) -> None:
        """The file need not exist."""
        self._path = work_dir / self.NAME

    def __enter__(self) -> Self:
        """Does nothing."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Does nothing."""

    def begin(self) -> None:
        """Does nothing: the file may be there already."""

    def is_set(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()

    def act(self) -> NoReturn:
        """Raises Terminated, which a worker turns into the end of its function."""
        raise Terminated


def make_stop_request(work_dir: Path, *, is_remote: bool) -> SignalStop | FileStop:
    """Makes the request for a training in this process, or for one whose caller is another process."""
    return FileStop(work_dir) if is_remote else SignalStop()
