"""Pools of processes and threads: map a function over many arguments in order, with few pending tasks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from headrace.errors import ClusterError

A = TypeVar("A")
T = TypeVar("T")
TASKS_PER_WORKER = 2
"""Pending at once: enough to keep every process or thread busy, few enough that results do not pile up."""


class Processes:
    """Worker processes, started by the first call and reused. They end with this process, even if it is killed."""

    def __init__(self, num_processes: int) -> None:
        """Starts no process yet."""
        self._num_processes = num_processes
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, work: Callable[[A], T], arguments: Iterable[A], /) -> Iterator[T]:
        """Yields `work(argument)` for each argument, in order, and raises what `work` raises.

        Raises ClusterError if a process is killed, usually for lack of memory.
        """
        try:
            yield from _windowed(self._started(), work, arguments, self._num_processes * TASKS_PER_WORKER)
        except BrokenProcessPool:
            self.close()
            raise ClusterError(
                "a process that worked on the data was killed, probably for lack of memory; free some memory, then run"
                " the same command again"
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # spawned, not forked: Arrow and others start threads, and a forked process may hang on their locks
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._num_processes, mp_context=context, initializer=_initialize)
        return self._pool

    def close(self) -> None:
        """Stops the processes and waits for their end, so that the next step can use their memory."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


class Threads:
    """Threads of this process, for work that mostly runs in libraries which release the interpreter's lock."""

    def __init__(self, num_threads: int) -> None:
        """Starts no thread yet."""
        self._num_threads = num_threads

    def __call__(self, work: Callable[[A], T], arguments: Iterable[A], /) -> Iterator[T]:
        """Yields `work(argument)` for each argument, in order, and raises what `work` raises."""
        pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="rows")
        try:
            yield from _windowed(pool, work, arguments, self._num_threads * TASKS_PER_WORKER)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _windowed(pool: Executor, work: Callable[[A], T], arguments: Iterable[A], size: int) -> Iterator[T]:
    window: deque[Future[T]] = deque()
    for argument in arguments:
        window.append(pool.submit(work, argument))
        if len(window) >= size:
            yield window.popleft().result()
    while window:
        yield window.popleft().result()


def _initialize() -> None:
    """Leaves Ctrl-C to the parent, and makes the process exit when its parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # there is a process per core already
    parent = multiprocessing.parent_process()

    def exit_with_parent() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=exit_with_parent, name="parent", daemon=True).start()
