"""Memory-mapped arrays: what training reads, a batch at a time, without holding the set in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Arrays:
    """The rows of one split, aligned by position; memory-mapped."""

    inputs: NDArray[np.uint8]
    """`[rows, *input_shape]`."""
    targets: NDArray[np.int64]
    """`[rows]`: class indices."""
    row_ids: NDArray[np.bytes_]
    """`[rows]`: the ids that `ingest` gave (ASCII)."""

    def __len__(self) -> int:
        return len(self.targets)


def create(folder: Path, *, num_rows: int, input_shape: list[int]) -> Arrays:
    """Makes writable arrays on disk; raises OSError when it is full."""
    import numpy as np
    from numpy.lib.format import open_memmap

    folder.mkdir(parents=True)

    def opened(name: str, dtype: str, shape: tuple[int, ...]) -> Any:
        path = folder / f"{name}.npy"
        array = open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
        # claims the blocks now: writing to a hole on a full disk would end the process with SIGBUS
        with path.open("r+b") as file:
            _allocate(file.fileno(), path.stat().st_size)
        return array

    return Arrays(
        opened("inputs", "u1", (num_rows, *input_shape)),
        opened("targets", "<i8", (num_rows,)),
        opened("row_ids", "S32", (num_rows,)),
    )


def _allocate(descriptor: int, size: int) -> None:
    import os

    if hasattr(os, "posix_fallocate") and size:
        os.posix_fallocate(descriptor, 0, size)


def open_arrays(folder: Path) -> Arrays:
    """Opens a split's arrays read-only; raises DataError when they are missing or damaged."""
    import numpy as np

    def opened(name: str) -> Any:
        path = folder / f"{name}.npy"
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
        except (ValueError, EOFError, TokenError) as error:
            raise DataError(f"{path}: not a NumPy array ({error}); run: dvc repro --force") from None

    arrays = Arrays(opened("inputs"), opened("targets"), opened("row_ids"))
    if not len(arrays.inputs) == len(arrays.targets) == len(arrays.row_ids):
        raise DataError(f"{folder}: its arrays differ in length; run: dvc repro --force")
    return arrays
