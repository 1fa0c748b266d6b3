"""Engines for a stream of arguments: the same work on each, in this process, in several, or on Ray, in order."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from headrace.cluster.batch_engine import RAY_BYTES, SERIAL_BYTES, EngineName
from headrace.cluster.process_pool import Processes
from headrace.cluster.session import is_attached, num_local_cpus, ray_session
from headrace.cluster.workers.errors import find_root_cause, make_portable
from headrace.cluster.workers.project import CallerFolder
from headrace.paths import Paths

A = TypeVar("A")
T = TypeVar("T")
TASKS_PER_CPU = 2
"""Pending at once: the input is a stream, which must not be read into memory."""


class StreamEngine(Protocol):
    """Runs work on arguments."""

    num_threads: int
    """Threads that the work may use where it runs; 0: all cores."""

    def __call__(self, work: Callable[[A], T], arguments: Iterable[A], /) -> Iterator[T]:
        """Yields `work(argument)` for each argument, in order."""
        ...


@contextmanager
def open_stream_engine(name: EngineName, num_bytes: int, paths: Paths) -> Iterator[StreamEngine]:
    """Yields the engine for an input of `num_bytes`; raises ClusterError if it is Ray and Ray does not start."""
    if name == "ray" or (name == "auto" and is_attached() and num_bytes > RAY_BYTES):
        with ray_session(paths, num_cpus_needed=1, wanted_by="engine"):
            yield _OnRay()
        return
    num_processes = num_local_cpus()
    if num_bytes <= SERIAL_BYTES or num_processes == 1:
        yield _InProcess()
        return
    pool = _InProcesses(num_processes)
    try:
        yield pool
    finally:
        pool.close()


class _InProcess:
    num_threads = 0

    def __call__(self, work: Callable[[A], T], arguments: Iterable[A], /) -> Iterator[T]:
        return map(work, arguments)


class _InProcesses(Processes):
    num_threads = 1


class _OnRay:
    """Ray tasks, a bounded number of them pending; a task whose worker is lost runs again elsewhere."""

    num_threads = 1

    def __call__(self, work: Callable[[A], T], arguments: Iterable[A], /) -> Iterator[T]:
        import ray
        import ray.exceptions

        task = ray.remote(_run_task)
        shared = ray.put((CallerFolder.capture(), pickle.dumps(work)))
        size = TASKS_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
        window: deque[Any] = deque()
        try:
            for argument in arguments:
                window.append(task.remote(shared, pickle.dumps(argument)))
                if len(window) >= size:
                    yield _get_result(window.popleft())
            while window:
                yield _get_result(window.popleft())
        except ray.exceptions.RayError as error:
            raise find_root_cause(error) from error


def _run_task(shared: tuple[CallerFolder, bytes], argument: bytes) -> bytes:
    caller, work = shared
    caller.enter()
    try:
        result: Any = pickle.loads(work)(pickle.loads(argument))  # noqa: S301 our own driver pickled them
    except Exception as error:  # noqa: BLE001 returned, not raised: Ray would wrap it and log it on the terminal
        result = make_portable(error)
    return pickle.dumps(result)


def _get_result(reference: Any) -> Any:
    import ray

    result = pickle.loads(ray.get(reference))  # noqa: S301 our own workers pickled it
    if isinstance(result, Exception):
        raise result
    return result
