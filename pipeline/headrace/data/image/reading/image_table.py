"""Loads the images that a table names, by path or URL: several at a time, in the order of the rows."""

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

from headrace.data.image.reading.image_loader import LOAD_LIMITS, ImageLoader, LoadedImage, LoadLimits
from headrace.data.image.reading.rows import RAW_SCHEMA, to_record_batches
from headrace.data.image.reading.signatures import looks_like_image
from headrace.data.sources.row_source import SOURCE
from headrace.data.sources.transfer.urls import get_scheme, redact_url
from headrace.errors import DataError
from headrace.storage.column_names import to_source_name

log = logging.getLogger(__name__)

FIRST_ROWS = 20
"""If all of the first images fail, the column, the folder or the network is wrong."""
MAX_TRANSIENT_FAILURES = 100
"""After this many in a row the server is considered down: the rest would fail too, each after minutes."""


def image_schema(schema: pa.Schema, column: str) -> pa.Schema:
    """Returns the schema of a table's image rows: RAW_SCHEMA, then the other columns of the table."""
    others = [field for field in schema if field.name not in {column, *RAW_SCHEMA.names}]
    return pa.schema([*RAW_SCHEMA, *others])


def load_images(
    batches: Iterator[pa.RecordBatch], column: str, base: Path, limits: LoadLimits = LOAD_LIMITS
) -> Iterator[pa.RecordBatch]:
    """Converts raw rows of a table to image rows; `column` holds paths (absolute, or below `base`) or URLs.

    A row whose image cannot be loaded gets empty bytes, so `clean` puts it in quarantine; one warning counts them.
    Raises DataError if the first FIRST_ROWS all fail, or if a server stops responding.
    """
    first = next(batches, None)
    if first is None:
        return
    rows = (row for batch in chain([first], batches) for row in batch.to_pylist())
    failures = _FailureCounter(column, base)
    with closing(_load_ahead(rows, column, ImageLoader(base, limits))) as loaded_rows:
        image_rows = (failures.to_image_row(row, row.pop(column), loaded) for row, loaded in loaded_rows)
        yield from to_record_batches(image_rows, image_schema(first.schema, column))
    failures.warn()


def _load_ahead(
    rows: Iterator[dict[str, Any]], column: str, loader: ImageLoader
) -> Generator[tuple[dict[str, Any], LoadedImage], None, None]:
    """Yields each row with its image, while the images of a window of rows after it are loading."""
    window: deque[tuple[dict[str, Any], Future[LoadedImage]]] = deque()
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


class _FailureCounter:
    """Counts images that cannot be loaded; raises DataError if continuing is pointless."""

    def __init__(self, column: str, base: Path) -> None:
        self.column, self.base = to_source_name(column), base
        self.num_rows = self.num_failed = self.num_transient = 0
        self.example = ""

    def to_image_row(self, row: dict[str, Any], cell: str | None, loaded: LoadedImage) -> dict[str, Any]:
        """Converts a row of the table."""
        self.num_rows += 1
        if loaded.data and not looks_like_image(loaded.data):
            # rows are stored and shared, quarantine too, and a table may name any file
            loaded = LoadedImage(b"", "is not an image")
        if loaded.problem:
            self.num_failed += 1
            self.example = self.example or _example(row, cell, loaded.problem)
        self.num_transient = self.num_transient + 1 if loaded.is_transient else 0
        if self.num_failed == self.num_rows == FIRST_ROWS:
            self._raise_all_failed()
        if self.num_transient == MAX_TRANSIENT_FAILURES:
            raise DataError(
                f"params.yaml: ingest.source: {MAX_TRANSIENT_FAILURES} images in a row cannot be loaded, the last is"
                f" {_example(row, cell, loaded.problem)}; check the network, then run the same command again"
            )
        return {**row, "image": loaded.data, "path": cell}

    def warn(self) -> None:
        """Logs one warning about the failures, at the end."""
        if self.num_rows and self.num_failed == self.num_rows:
            self._raise_all_failed()
        if self.num_failed:
            log.warning(
                "column %r: %d of %d images cannot be loaded, the first is %s; clean puts their rows in quarantine",
                self.column, self.num_failed, self.num_rows, self.example,
            )  # fmt: skip

    def _raise_all_failed(self) -> None:
        raise DataError(
            f"params.yaml: ingest.source: column {self.column!r} names images, but none of the first {self.num_rows}"
            f" can be loaded (the first is {self.example}); must be URLs, or paths below {self.base}; fix the"
            " column, or put the images there"
        )


def _example(row: dict[str, Any], cell: str | None, problem: str) -> str:
    text = redact_url(cell) if cell and get_scheme(cell) else cell or ""
    return f"{row.get(SOURCE)}: {text[:120]!r}: {problem}"
