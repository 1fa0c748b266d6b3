"""Rows in shards, and functions of batches that worker processes can import."""

import os

import pyarrow as pa

from headrace.errors import DataError

SCHEMA = pa.schema([("row_id", pa.string()), ("value", pa.int64())])
EXPECTED = [sum(range(start, start + 10)) for start in range(0, 200, 10)]
"""Sums of the batches of `rows_dir`."""


def batch(start, size):
    numbers = range(start, start + size)
    return pa.RecordBatch.from_arrays([pa.array([f"{n:032x}" for n in numbers]), pa.array(numbers)], schema=SCHEMA)


def sum_values(rows):
    """The process that worked, and the sum of the batch."""
    return os.getpid(), sum(rows.column("value").to_pylist())


def refuse(rows):
    if rows.column("value")[0].as_py() == 50:
        raise DataError("rows: 50 is refused; use another")
    return 1
