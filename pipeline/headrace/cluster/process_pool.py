"""Processes of this machine: the same function on many arguments, results in order, a bounded number under way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from headrace.errors import ClusterError

A = TypeVar("A")
T = TypeVar("T")
TASKS_PER_PROCESS = 2
"""Under way at once: enough that none waits for work, few enough that results do not pile up."""


class Processes:
    """Started at the first call, kept for the next; they end with this process, however it ends."""

    def __init__(self, num_processes: int) -> None:
        """Starts none yet."""
        self._num_processes = num_processes
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, work: Callable[[A], T], arguments: Iterable[A], /) -> Iterator[T]:
        """`work(argument)` of each, in order; what it raises is raised here.

        Raises ClusterError when a process is killed (out of memory, mostly).
        """
        try:
            yield from _windowed(self._started(), work, arguments, self._num_processes * TASKS_PER_PROCESS)
        except BrokenProcessPool:
            self.close()
            raise ClusterError(
                "a process that worked on the data was killed, for want of memory perhaps; free some, then run the"
                " same command again"
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # spawned, not forked: Arrow and others have threads, and a forked copy of them may hang
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._num_processes, mp_context=context, initializer=_begin)
        return self._pool

    def close(self) -> None:
        """Ends them, and waits for it: the next step would else need its memory beside theirs."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _windowed(pool: ProcessPoolExecutor, work: Callable[[A], T], arguments: Iterable[A], size: int) -> Iterator[T]:
    window: deque[Future[T]] = deque()
    for argument in arguments:
        window.append(pool.submit(work, argument))
        if len(window) >= size:
            yield window.popleft().result()
    while window:
        yield window.popleft().result()


def _begin() -> None:
    """Begins a process: Ctrl-C is its parent's to handle, and it must not outlive one that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # one process a core: threads within would only take turns
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
