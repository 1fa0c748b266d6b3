"""The Ray Data engine: streams batches over a cluster that shares the project's storage, with results in order."""

from __future__ import annotations

import contextlib
import logging
import pickle
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from headrace.cluster.workers.errors import find_root_cause, make_portable
from headrace.cluster.workers.project import CallerFolder
from headrace.storage.parquet import BatchRef

T = TypeVar("T")
BLOCKS_PER_CPU = 8
"""Batches are grouped into this many blocks per CPU: more than one, so that the CPUs finish at about the same time."""
MAX_PENDING_RESULTS = 4
SECONDS_BETWEEN_POLLS = 0.2


def map_on_ray(work: Callable[[BatchRef], T], refs: list[BatchRef], /) -> Iterator[T]:
    """Yields `work(ref)` for each batch, in order; needs a running session.

    Raises the user errors that `work` raises, and ClusterError if workers are lost.
    """
    import ray
    import ray.data
    import ray.exceptions

    _configure_ray_data()
    num_blocks = min(len(refs), BLOCKS_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1))))
    rows = ray.data.from_items([{"ref": list(ref)} for ref in refs], override_num_blocks=max(1, num_blocks))
    results = rows.map(_Work(work, CallerFolder.capture()))
    try:
        for row in _iterate_in_thread(results.iter_rows):
            result = pickle.loads(row["result"])  # noqa: S301 our own workers pickled it
            if isinstance(result, Exception):
                raise result
            yield result
    except ray.exceptions.RayError as error:
        raise find_root_cause(error) from error


class _Work:
    """The function that runs on the workers."""

    def __init__(self, work: Callable[[BatchRef], Any], caller: CallerFolder) -> None:
        self.work, self.caller = work, caller

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        self.caller.enter()
        shard, row_group, num_rows = row["ref"]
        try:
            result: Any = self.work(BatchRef(str(shard), int(row_group), int(num_rows)))
        except Exception as error:  # noqa: BLE001 returned, not raised: Ray would wrap it and log it on the terminal
            result = make_portable(error)
        return {"result": pickle.dumps(result)}


def _iterate_in_thread(iterate: Callable[[], Iterator[T]]) -> Iterator[T]:
    """Runs Ray's iterator in a thread, so that a signal interrupts the wait here and not Ray's compiled code."""
    results: queue.Queue[tuple[str, Any]] = queue.Queue(MAX_PENDING_RESULTS)
    is_over = threading.Event()
    thread = threading.Thread(target=_feed, args=(iterate, results, is_over), name="ray-data", daemon=True)
    thread.start()
    try:
        while True:
            with contextlib.suppress(queue.Empty):
                kind, value = results.get(timeout=SECONDS_BETWEEN_POLLS)
                if kind == "end":
                    return
                if kind == "error":
                    raise value
                yield value
    finally:
        is_over.set()
        thread.join(timeout=30)


def _feed(
    iterate: Callable[[], Iterator[Any]], results: queue.Queue[tuple[str, Any]], is_over: threading.Event
) -> None:
    """Puts what Ray yields into the queue until the consumer stops."""

    def put(kind: str, value: Any) -> None:
        while not is_over.is_set():
            with contextlib.suppress(queue.Full):
                results.put((kind, value), timeout=SECONDS_BETWEEN_POLLS)
                return

    try:
        for value in iterate():
            put("value", value)
            if is_over.is_set():
                return
        put("end", None)
    except BaseException as error:  # noqa: BLE001 raised again in the caller's thread
        put("error", error)


def _configure_ray_data() -> None:
    """Preserves the order of batches and turns off Ray's progress bars and messages."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray.data", "ray.data._internal"):
        logging.getLogger(name).setLevel(logging.ERROR)
