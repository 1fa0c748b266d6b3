"""Memory-mapped arrays, from which training reads batches without loading the dataset into memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from headrace.contracts import ModalityName, TaskName
from headrace.errors import DataError
from headrace.storage.ragged import TOKENS, Ragged, RaggedWriter, open_ragged

Inputs: TypeAlias = "NDArray[Any] | Ragged"
"""Stored rows. Indexing (slice or positions) returns an array; token ids are padded with 0 to the longest row."""
INPUT_TYPES: dict[ModalityName, str] = {"image": "u1", "table": "<f4", "text": "<i4"}
"""Modality -> dtype of the stored values."""
TARGET_TYPES: dict[TaskName, str] = {"classification": "<i8", "multilabel": "<f4", "regression": "<f4"}


SOURCES, COLUMNS = "sources.parquet", "columns.parquet"


@dataclass(frozen=True)
class Arrays:
    """The rows of one split, memory-mapped and aligned by position."""

    inputs: Any
    """`[rows, *input_shape]`: uint8 (images) or float32 (tables; NaN if missing); text: an int32 Ragged."""
    targets: NDArray[Any]
    """`[rows]`: class indices (int64), or values for regression (float32); `[rows, targets]`: several values, or 0 and
    1 for multilabel (float32)."""
    row_ids: NDArray[np.bytes_]
    """`[rows]`: the ids from `ingest` (ASCII)."""

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class ArrayWriter:
    """Writes the rows of one split, in any order; call `close` at the end."""

    inputs: NDArray[Any] | RaggedWriter
    targets: NDArray[Any]
    row_ids: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.targets)

    def put(
        self, positions: NDArray[np.intp], inputs: NDArray[Any] | list[NDArray[np.int32]], targets: NDArray[Any]
    ) -> None:
        """Writes rows at their positions; text: one array of ids per row. Raises OSError if the disk is full."""
        if isinstance(self.inputs, RaggedWriter):
            for position, ids in zip(positions.tolist(), inputs, strict=True):
                self.inputs.write(position, ids)
        else:
            self.inputs[positions] = inputs
        self.targets[positions] = targets

    def close(self) -> None:
        """Flushes what is buffered; raises OSError if the disk is full."""
        if isinstance(self.inputs, RaggedWriter):
            self.inputs.close()


def create_arrays(
    folder: Path,
    *,
    num_rows: int,
    input_shape: list[int],
    modality: ModalityName = "image",
    task: TaskName = "classification",
    target_shape: tuple[int, ...] = (),
) -> ArrayWriter:
    """Creates the files of a split; `target_shape` is that of one row. Raises OSError if the disk is full."""
    folder.mkdir(parents=True)
    targets = _new_array(folder / "targets.npy", TARGET_TYPES[task], (num_rows, *target_shape))
    row_ids = _new_array(folder / "row_ids.npy", "S32", (num_rows,))
    inputs = (  # the last one: if it were not, a full disk would leave the file of a RaggedWriter open
        RaggedWriter(folder, num_rows)
        if modality == "text"
        else _new_array(folder / "inputs.npy", INPUT_TYPES[modality], (num_rows, *input_shape))
    )
    return ArrayWriter(inputs, targets, row_ids)


def open_arrays(folder: Path) -> Arrays:
    """Opens the arrays of a split read-only; raises DataError if they are missing or damaged."""
    inputs = _open_ragged(folder) if (folder / TOKENS).exists() else _open_array(folder / "inputs.npy")
    arrays = Arrays(inputs, _open_array(folder / "targets.npy"), _open_array(folder / "row_ids.npy"))
    if not len(arrays.inputs) == len(arrays.targets) == len(arrays.row_ids):
        raise DataError(f"{folder}: the arrays differ in length; run: dvc repro --force")
    return arrays


def write_sources(folder: Path, sources: pa.ChunkedArray) -> None:
    """Writes where each row of a split stands in the source: strings, in the order of the arrays."""
    pq.write_table(pa.table({"source": sources}), folder / SOURCES, compression="zstd")


def read_sources(folder: Path) -> pa.ChunkedArray | None:
    """Reads what `write_sources` wrote; None for arrays of an earlier version."""
    return pq.read_table(folder / SOURCES).column("source") if (folder / SOURCES).is_file() else None


def write_columns(folder: Path, columns: pa.Table) -> None:
    """Writes columns of the source that the model does not learn from, in the order of the arrays."""
    pq.write_table(columns, folder / COLUMNS, compression="zstd")


def list_stored_columns(folder: Path) -> list[str]:
    """Lists the columns that `write_columns` wrote; most splits have none."""
    return list(pq.read_schema(folder / COLUMNS).names) if (folder / COLUMNS).is_file() else []


def read_columns(folder: Path, names: Sequence[str]) -> pa.Table:
    """Reads some of them."""
    return pq.read_table(folder / COLUMNS, columns=list(names)) if names else pa.table({})


def _new_array(path: Path, dtype: str, shape: tuple[int, ...]) -> Any:
    array = open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    # allocates the blocks now: writing to a hole on a full disk would kill the process with SIGBUS
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _open_array(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, EOFError, TokenError) as error:
        raise DataError(f"{path}: not a NumPy array ({error}); run: dvc repro --force") from None


def _open_ragged(folder: Path) -> Ragged:
    try:
        return open_ragged(folder)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, EOFError, TokenError, TypeError) as error:
        raise DataError(f"{folder / TOKENS}: not token ids ({error}); run: dvc repro --force") from None
