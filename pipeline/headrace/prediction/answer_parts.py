"""The answers so far, in a hidden folder beside the output: what a killed run left, the next one goes on with."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from headrace.prediction.chunk_answers import ChunkAnswers, Counts, name_probability
from headrace.storage.atomic import atomic_file, write_text
from headrace.storage.label_codec import encode_names

MAX_PART_ROWS, MAX_PART_SECONDS = 50_000, 5.0
"""A part is written after so many rows or seconds: this much is lost by a kill."""
TOTALS = b"headrace.totals"


class AnswerParts:
    """Parts with the answers for successive rows, each written at once. Totals are in the metadata of the parts."""

    def __init__(self, folder: Path, key: str) -> None:
        """Goes on with the parts in `folder`, unless they belong to another `key`: those are removed."""
        self._folder, key_path = folder, folder / "key"
        if not key_path.is_file() or key_path.read_text(encoding="utf-8") != key:
            for stale in list_parts(folder):
                stale.unlink()
            write_text(key_path, key)
        self._pending: list[ChunkAnswers] = []
        self._last_write = time.monotonic()
        self.num_rows = self.num_set_aside = 0
        self.counts = Counts()
        for path in list_parts(self._folder):
            metadata = pq.read_metadata(path)
            self.num_rows += metadata.num_rows
            self._add_totals(*json.loads(metadata.metadata[TOTALS]))

    def add(self, answers: ChunkAnswers) -> None:
        """Adds the answers for the rows that follow."""
        self._pending.append(answers)
        self.num_rows += answers.table.num_rows
        self._add_totals(answers.num_set_aside, answers.counts)
        num_pending = sum(each.table.num_rows for each in self._pending)
        if num_pending >= MAX_PART_ROWS or time.monotonic() - self._last_write >= MAX_PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes the answers that are not written yet as one part; raises OSError if the disk is full."""
        if not self._pending:
            return
        table = pa.Table.from_batches([each.table for each in self._pending])
        totals = [sum(each.num_set_aside for each in self._pending), _sum_counts(each.counts for each in self._pending)]
        table = table.replace_schema_metadata({TOTALS: json.dumps(totals)})
        path = self._folder / f"part-{len(list_parts(self._folder)):06d}.parquet"
        with atomic_file(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")
        self._pending, self._last_write = [], time.monotonic()

    def join(self, output: Path) -> None:
        """Writes all parts to one file, atomically, and removes them; the schema is that of the answers."""
        self.flush()
        paths = list_parts(self._folder)
        schema = pq.read_schema(paths[0]).remove_metadata()
        with atomic_file(output) as temporary:
            if output.suffix.lower() == ".csv":
                flat = flatten_answers(schema.empty_table()).schema
                with pa_csv.CSVWriter(temporary, flat) as writer:
                    for table in _read_parts(paths):
                        writer.write_table(flatten_answers(table))
            else:
                with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
                    for table in _read_parts(paths):
                        writer.write_table(table)
        self.remove()

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add_totals(self, num_set_aside: int, counts: Counts) -> None:
        self.num_set_aside += num_set_aside
        self.counts = _sum_counts([self.counts, counts])


def list_parts(folder: Path) -> list[Path]:
    """Returns the parts in a folder, in the order of their rows."""
    return sorted(folder.glob("part-*.parquet"))


def flatten_answers(table: pa.Table) -> pa.Table:
    """The answers without nested columns: `probability_<class>` for each class; labels and copied columns as JSON."""
    columns = dict[str, pa.ChunkedArray]()
    for name in table.schema.names:
        column = table.column(name)
        if name == "probabilities":
            classes = [field.name for field in column.type]
            parts = pa.Table.from_arrays([column], names=["p"]).flatten().columns
            columns |= {name_probability(label): part for label, part in zip(classes, parts, strict=True)}
        elif pa.types.is_nested(column.type):
            encode = encode_names if name == "labels" else _encode_cell
            texts = [None if cell is None else encode(cell) for cell in column.to_pylist()]
            columns[name] = pa.chunked_array([pa.array(texts, pa.string())])
        else:
            columns[name] = column
    return pa.table(columns)


def _encode_cell(cell: Any) -> str:
    return json.dumps(cell, ensure_ascii=False, default=str)


def _read_parts(paths: list[Path]) -> Iterator[pa.Table]:
    for path in paths:
        yield pq.read_table(path).replace_schema_metadata(None)


def _sum_counts(parts: Iterator[Counts] | list[Counts]) -> Counts:
    total = Counts()
    for counts in parts:
        for name, values in counts.items():
            total[name] = [a + b for a, b in zip(total[name], values, strict=True)] if name in total else list(values)
    return total
