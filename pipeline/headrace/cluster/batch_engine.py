"""Engines: run the same work on every batch of rows, on this machine or on a Ray cluster.

The results, and their order, do not depend on the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

import pyarrow as pa

from headrace.cluster.process_pool import Processes, Threads
from headrace.cluster.ray_data import map_on_ray
from headrace.cluster.session import is_attached, num_local_cpus, ray_session
from headrace.contracts import ModalityName
from headrace.paths import Paths
from headrace.storage.parquet import BatchRef, list_batches, read_batch
from headrace.storage.split_index import is_in_split
from headrace.terminal import progress_bar

T = TypeVar("T")
EngineName: TypeAlias = Literal["auto", "local", "ray"]
RAY_BYTES = 4 * 2**30
"""From this size on, `auto` uses the Ray cluster that it runs in: starting Ray Data pays off."""
SERIAL_BYTES = 6 * 2**20
"""Up to this size the calling process does the work: starting a second process takes about half a second."""

THREAD_ROW_BYTES = 8 * 2**10
"""Images from this mean size on are worked on by threads.

Decoding and resizing them releases the interpreter's lock; to start processes and to send their results would take a
third of the time of a thousand photographs.
"""


class Engine(Protocol):
    """Runs work on batches."""

    def __call__(self, work: Callable[[BatchRef], T], refs: list[BatchRef], /) -> Iterator[T]:
        """Yields `work(ref)` for each batch, in order."""
        ...


@dataclass(frozen=True)
class Selection:
    """Selects the rows of one split."""

    split_dir: Path
    split: str


@dataclass(frozen=True)
class StoredRows:
    """The rows in a folder of shards, or those of one split; implements contracts.Rows."""

    folder: Path
    engine: Engine
    title: str = ""
    """Title of the progress bar; without one, no bar is shown."""
    selection: Selection | None = None

    def map(self, work: Callable[[pa.RecordBatch], T]) -> Iterator[T]:
        """Yields `work(batch)` for every batch, in order. `work` and its results must be picklable."""
        refs = list_batches(self.folder)
        results = self.engine(partial(_on_batch, work=work, selection=self.selection), refs)
        return show_row_progress(results, [ref.num_rows for ref in refs], self.title)


@contextmanager
def open_engine(name: EngineName, folder: Path, paths: Paths, modality: ModalityName | None = None) -> Iterator[Engine]:
    """Yields the engine for the rows in `folder`; raises ClusterError if it is Ray and Ray does not start.

    `modality` is that of the rows, if it is known: large images are worked on by threads.
    """
    num_bytes = sum(path.stat().st_size for path in folder.glob("part-*.parquet"))
    if name == "ray" or (name == "auto" and is_attached() and num_bytes > RAY_BYTES):
        with ray_session(paths, num_cpus_needed=1, wanted_by="engine"):
            yield map_on_ray
        return
    num_processes = num_local_cpus()
    if num_bytes <= SERIAL_BYTES or num_processes == 1:
        yield map
        return
    if modality == "image" and num_bytes > THREAD_ROW_BYTES * sum(ref.num_rows for ref in list_batches(folder)):
        yield Threads(num_processes)
        return
    processes = Processes(num_processes)
    try:
        yield processes
    finally:
        processes.close()


def _on_batch(ref: BatchRef, *, work: Callable[[pa.RecordBatch], T], selection: Selection | None) -> T:
    batch = read_batch(ref)
    if selection:
        batch = batch.filter(is_in_split(batch.column("row_id"), selection.split_dir, selection.split))
    return work(batch)


def show_row_progress(results: Iterable[T], num_rows: list[int], title: str) -> Iterator[T]:
    """Passes results on and shows how many rows are done; `num_rows` is by result. Without a title shows nothing."""
    if not title:
        yield from results
        return
    num_done = 0
    with progress_bar(f"{title:<10}", sum(num_rows), "rows") as update:
        for result, size in zip(results, num_rows, strict=False):
            yield result
            num_done += size
            update(num_done)
