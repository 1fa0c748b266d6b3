"""Tables whose cells name images: paths beside the table, and URLs, loaded several at a time and kept in order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.data.image.reading.image_loader import LINK_LIMITS, LinkLimits, Loaded, Loader
from headrace.data.image.reading.rows import batches as image_batches
from headrace.data.sources.transfer.urls import scheme_of, shown
from headrace.errors import DataError

log = logging.getLogger(__name__)

FIRST_ROWS = 20
"""Where not one of so many first images can be loaded, the column, its folder or the network is not what was meant."""
UNANSWERED_ROWS = 100
"""After so many in a row the server is taken to be gone: the rest would be lost too, each after minutes."""


def image_schema(schema: pa.Schema, column: str) -> pa.Schema:
    """The schema of image rows made from a table's: that of all image rows, then the table's other columns."""
    from headrace.data.image.reading.rows import RAW_SCHEMA

    others = [field for field in schema if field.name not in {column, *RAW_SCHEMA.names}]
    return pa.schema([*RAW_SCHEMA, *others])


def load_images(
    batches: Iterator[pa.RecordBatch], column: str, base: Path, limits: LinkLimits = LINK_LIMITS
) -> Iterator[pa.RecordBatch]:
    """Raw rows of a table as image rows: `column` names each one's file, below `base` or absolute, or its URL.

    A row whose image cannot be loaded gets no bytes, so that `clean` puts it in quarantine; one warning counts them.
    Raises DataError when none of the first FIRST_ROWS can be, or when a server stops answering.
    """
    first = next(batches, None)
    if first is None:
        return
    rows = (row for batch in chain([first], batches) for row in batch.to_pylist())
    tally = _Tally(column, base)
    with closing(_ahead(rows, column, Loader(base, limits))) as loaded_rows:
        made = (tally.checked(row, row.pop(column), loaded) for row, loaded in loaded_rows)
        yield from image_batches(made, image_schema(first.schema, column))
    tally.tell()


def _ahead(
    rows: Iterator[dict[str, Any]], column: str, loader: Loader
) -> Generator[tuple[dict[str, Any], Loaded], None, None]:
    """Each row with its image; meanwhile those of a window of rows behind it are being loaded."""
    window: deque[tuple[dict[str, Any], Future[Loaded]]] = deque()
    pool = ThreadPoolExecutor(loader.limits.num_threads, thread_name_prefix="images")
    try:
        for row in rows:
            window.append((row, pool.submit(loader.load, row[column])))
            if len(window) > 2 * loader.limits.num_threads:
                ready, future = window.popleft()
                yield ready, future.result()
        while window:
            ready, future = window.popleft()
            yield ready, future.result()
    finally:
        loader.stop()
        pool.shutdown(cancel_futures=True)
        loader.close()


class _Tally:
    """Counts the images that cannot be loaded; raises DataError when it is no use to go on."""

    def __init__(self, column: str, base: Path) -> None:
        self.column, self.base = column, base
        self.num_rows = self.num_failed = self.num_unanswered = 0
        self.example = ""

    def checked(self, row: dict[str, Any], cell: str | None, loaded: Loaded) -> dict[str, Any]:
        """The image row of a table's row."""
        self.num_rows += 1
        if loaded.problem:
            self.num_failed += 1
            self.example = self.example or _example(cell, loaded.problem)
        self.num_unanswered = self.num_unanswered + 1 if loaded.is_passing else 0
        if self.num_failed == self.num_rows == FIRST_ROWS:
            self._refuse_all()
        if self.num_unanswered == UNANSWERED_ROWS:
            first = self.num_rows - UNANSWERED_ROWS + 1
            raise DataError(
                f"params.yaml: ingest.source: {UNANSWERED_ROWS} images in a row, from row {first} on, cannot be loaded"
                f" ({_example(cell, loaded.problem)}); see to the network, then run the same command again"
            )
        return {**row, "image": loaded.data, "path": cell}

    def tell(self) -> None:
        """Says once, at the end, what could not be loaded."""
        if self.num_rows and self.num_failed == self.num_rows:
            self._refuse_all()
        if self.num_failed:
            log.warning(
                "column %r: %d of %d images cannot be loaded, the first is %s; clean puts their rows in quarantine",
                self.column, self.num_failed, self.num_rows, self.example,
            )  # fmt: skip

    def _refuse_all(self) -> None:
        raise DataError(
            f"params.yaml: ingest.source: column {self.column!r} names images, but none of the first {self.num_rows}"
            f" can be loaded (the first is {self.example}); must be URLs, or paths below {self.base}; mend the"
            " column, or put the images there"
        )


def _example(cell: str | None, problem: str) -> str:
    text = shown(cell) if cell and scheme_of(cell) else cell or ""
    return f"{text[:120]!r}: {problem}"
