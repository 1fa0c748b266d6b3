"""Memory-mapped arrays: what training reads, a batch at a time, without holding the set in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from headrace.contracts import ModalityName, TaskName
from headrace.errors import DataError
from headrace.storage.ragged import Ragged, RaggedWriter, open_ragged

TOKENS = "tokens.bin"  # of a Ragged
Inputs: TypeAlias = "NDArray[Any] | Ragged"
"""Stored rows: an index (slice or positions) gives an array of them; ids are padded with 0 to the longest row."""
INPUT_TYPES: dict[ModalityName, str] = {"image": "u1", "table": "<f4", "text": "<i4"}
"""Modality -> dtype of a stored value."""
TARGET_TYPES: dict[TaskName, str] = {"classification": "<i8", "multilabel": "<f4", "regression": "<f4"}


@dataclass(frozen=True)
class Arrays:
    """The rows of one split, aligned by position; memory-mapped."""

    inputs: Any
    """Inputs: uint8 `[rows, *input_shape]` (images), float32 (tables; NaN is missing), or int32 ids by row (text)."""
    targets: NDArray[Any]
    """`[rows]`: class indices (int64), or values (float32) for regression; `[rows, targets]`: of several values, or
    for multilabel 0 and 1 (float32)."""
    row_ids: NDArray[np.bytes_]
    """`[rows]`: the ids that `ingest` gave (ASCII)."""

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class NewArrays:
    """The rows of one split, to be filled in any order; `close` when all are there."""

    inputs: NDArray[Any] | RaggedWriter
    targets: NDArray[Any]
    row_ids: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.targets)

    def put(
        self, positions: NDArray[np.intp], inputs: NDArray[Any] | list[NDArray[np.int32]], targets: NDArray[Any]
    ) -> None:
        """Puts rows in their places; text: `inputs` is a list of ids a row. Raises OSError when the disk is full."""
        if isinstance(self.inputs, RaggedWriter):
            for position, ids in zip(positions.tolist(), inputs, strict=True):
                self.inputs.write(position, ids)
        else:
            self.inputs[positions] = inputs
        self.targets[positions] = targets

    def close(self) -> None:
        """Ends the writing; raises OSError when the disk is full."""
        if isinstance(self.inputs, RaggedWriter):
            self.inputs.close()


def create(
    folder: Path,
    *,
    num_rows: int,
    input_shape: list[int],
    modality: ModalityName = "image",
    task: TaskName = "classification",
    target_shape: tuple[int, ...] = (),
) -> NewArrays:
    """Makes writable arrays on disk, `target_shape` being that of a row's target; raises OSError when it is full."""
    folder.mkdir(parents=True)
    inputs = (
        RaggedWriter(folder, num_rows)
        if modality == "text"
        else _new_array(folder / "inputs.npy", INPUT_TYPES[modality], (num_rows, *input_shape))
    )
    targets = _new_array(folder / "targets.npy", TARGET_TYPES[task], (num_rows, *target_shape))
    return NewArrays(inputs, targets, _new_array(folder / "row_ids.npy", "S32", (num_rows,)))


def _new_array(path: Path, dtype: str, shape: tuple[int, ...]) -> Any:

    array = open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    # claims the blocks now: writing to a hole on a full disk would end the process with SIGBUS
    with path.open("r+b") as file:
        _allocate(file.fileno(), path.stat().st_size)
    return array


def _allocate(descriptor: int, size: int) -> None:
    import os

    if hasattr(os, "posix_fallocate") and size:
        os.posix_fallocate(descriptor, 0, size)


def open_arrays(folder: Path) -> Arrays:
    """Opens a split's arrays read-only, of whatever kind; raises DataError when they are missing or damaged."""
    inputs = _opened_ragged(folder) if (folder / TOKENS).exists() else _opened(folder / "inputs.npy")
    arrays = Arrays(inputs, _opened(folder / "targets.npy"), _opened(folder / "row_ids.npy"))
    if not len(arrays.inputs) == len(arrays.targets) == len(arrays.row_ids):
        raise DataError(f"{folder}: its arrays differ in length; run: dvc repro --force")
    return arrays


def _opened(path: Path) -> Any:

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, EOFError, TokenError) as error:
        raise DataError(f"{path}: not a NumPy array ({error}); run: dvc repro --force") from None


def _opened_ragged(folder: Path) -> Ragged:
    try:
        return open_ragged(folder)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: no such file; run the stages before this one: dvc repro") from None
    except (ValueError, EOFError, TokenError, TypeError) as error:
        raise DataError(f"{folder / TOKENS}: not rows of tokens ({error}); run: dvc repro --force") from None
