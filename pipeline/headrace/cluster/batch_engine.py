"""Engines: the same work on every batch of rows, here or on a Ray cluster; the same results in the same order.

How far the work on rows has come: a bar with rows a second and the time left, where there is a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

import pyarrow as pa

from headrace.cluster.process_pool import Processes
from headrace.cluster.session import is_attached, num_local_cpus, session
from headrace.paths import Paths
from headrace.storage.parquet import BatchRef, batch_refs, read_batch

T = TypeVar("T")
EngineName: TypeAlias = Literal["auto", "local", "ray"]
RAY_BYTES = 4 * 2**30
"""From here on `auto` takes the Ray cluster that it runs in: below, starting Ray Data costs more than it gains."""
SERIAL_BYTES = 6 * 2**20
"""Up to here the work is done in the calling process: a second one takes about half a second to start."""


class Engine(Protocol):
    """Runs work on batches."""

    def __call__(self, work: Callable[[BatchRef], T], refs: list[BatchRef], /) -> Iterator[T]:
        """`work(ref)` of each, in order."""
        ...


@dataclass(frozen=True)
class Selection:
    """Rows of one split only."""

    split_dir: Path
    split: str


@dataclass(frozen=True)
class StoredRows:
    """The rows of a folder of shards, or those of one split; see contracts.Rows."""

    folder: Path
    engine: Engine
    title: str = ""
    """For the progress bar."""
    selection: Selection | None = None

    def map(self, work: Callable[[pa.RecordBatch], T]) -> Iterator[T]:
        """`work(batch)` of every batch, in order; it and its results are pickled."""
        refs = batch_refs(self.folder)
        results = self.engine(partial(_on_batch, work=work, selection=self.selection), refs)
        return counted(results, [ref.num_rows for ref in refs], self.title)


@contextmanager
def engine(wanted: EngineName, folder: Path, paths: Paths) -> Iterator[Engine]:
    """The engine for the rows of `folder`, for as long as the body runs.

    Raises ClusterError when Ray is wanted and does not start.
    """
    num_bytes = sum(path.stat().st_size for path in folder.glob("part-*.parquet"))
    if wanted == "ray" or (wanted == "auto" and is_attached() and num_bytes > RAY_BYTES):
        from headrace.cluster.ray_data import map_on_ray

        with session(paths, num_cpus_needed=1, wanted_by="engine"):
            yield map_on_ray
        return
    num_processes = num_local_cpus()
    if num_bytes <= SERIAL_BYTES or num_processes == 1:
        yield map
        return
    processes = Processes(num_processes)
    try:
        yield processes
    finally:
        processes.close()


def _on_batch(ref: BatchRef, *, work: Callable[[pa.RecordBatch], T], selection: Selection | None) -> T:
    batch = read_batch(ref)
    if selection:
        from headrace.storage.split_index import is_in_split

        batch = batch.filter(is_in_split(batch.column("row_id"), selection.split_dir, selection.split))
    return work(batch)


def counted(results: Iterable[T], num_rows: list[int], title: str) -> Iterator[T]:
    """Passes results on and counts their rows; `num_rows` is by result. Without a title or a terminal: in silence."""
    from rich.console import Console

    console = Console(file=sys.stderr, highlight=False)
    if not title or not console.is_terminal:
        yield from results
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(f"{title:<10}"), BarColumn(16), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(title, total=sum(num_rows), rate="")
        for result, size in zip(results, num_rows, strict=False):
            yield result
            bar.advance(task, size)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:,.0f} rows/s" if speed else "")
