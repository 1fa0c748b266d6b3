"""Arrays of `.npz` files, by name, in blocks of rows, and never by unpickling.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.data.sources.limits import LIMITS, UnpackBudget
from headrace.errors import USER_ERRNOS, DataError
from headrace.paths import SPLIT_ALIASES

INPUT_NAMES = frozenset(["x", "images", "imgs", "image", "img", "data", "features", "inputs"])
LABEL_NAMES = frozenset(["y", "labels", "label", "targets", "target", "classes"])
UNNAMED = re.compile(r"arr_\d+")
"""The name that NumPy gives to an array without one: the name of its file counts."""
MAX_HEADER_CHARS = 10_000
MAX_ROW_BYTES = 64 * 2**20
MAX_WHOLE_BYTES = 2**30
"""Bytes of an array that has to be read as a whole: labels, and one that is stored column by column."""
BLOCK_BYTES = 16 * 2**20


class NpzArray(NamedTuple):
    """An array whose header was read."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_by_column: bool
    """Whether it is stored in Fortran's order."""

    @property
    def place(self) -> str:
        """Its name in the column `source`."""
        return self.path.name if UNNAMED.fullmatch(self.name) else f"{self.path.name}/{self.name}"

    @property
    def words(self) -> list[str]:
        """The lower-case words of its name, or of that of its file if it has none."""
        name = self.path.stem if UNNAMED.fullmatch(self.name) else self.name
        return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


class NpzPair(NamedTuple):
    """Inputs, and the labels of the same rows."""

    inputs: NpzArray
    labels: NpzArray | None
    split: str | None


def is_npz(path: Path) -> bool:
    """Whether a file has the extension."""
    return path.suffix.lower() == ".npz"


def list_npz_files(path: Path) -> list[Path]:
    """A file, or the files of a folder that holds little else."""
    if path.is_file():
        return [path] if is_npz(path) else []
    entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")] if path.is_dir() else []
    files = sorted(entry for entry in entries if is_npz(entry))
    return files if 2 * len(files) >= len(entries) else []


def list_arrays(path: Path) -> list[NpzArray]:
    """Reads the headers of a file; raises DataError if it is damaged or holds Python objects."""
    if not path.stat().st_size:
        raise DataError(f"{path}: is empty; fetch the file again")
    with _translate_npz_errors(path), zipfile.ZipFile(path) as archive:
        budget = UnpackBudget(LIMITS, path.stat().st_size, str(path))
        arrays = []
        for member in archive.infolist():
            budget.add_entry()
            budget.add_bytes(member.file_size)
            if member.filename.endswith(".npy"):
                with archive.open(member) as file:
                    arrays.append(_read_header(path, member.filename.removesuffix(".npy"), file))
    if not arrays:
        raise DataError(f"{path}: contains no arrays; write it with numpy.savez")
    return arrays


def pair_arrays(paths: Iterable[Path], where: str) -> list[NpzPair]:
    """The inputs and labels of some files, train rows first; raises DataError if the names leave them open."""
    arrays = [array for path in paths for array in list_arrays(path)]
    inputs = {_key(array): array for array in arrays if INPUT_NAMES.intersection(array.words)}
    labels = {_key(array): array for array in arrays if LABEL_NAMES.intersection(array.words)}
    if not inputs:
        names = [array.place for array in arrays]
        raise DataError(
            f"{where}: none of the arrays {names[:6]} is named as inputs; names such as train_images and train_labels,"
            " x_train and y_train, or x and y are read; save it again with these names"
        )
    pairs = [NpzPair(array, labels.get(key), _find_split(array)) for key, array in inputs.items()]
    for pair in pairs:
        if pair.labels is not None and pair.labels.shape[:1] != pair.inputs.shape[:1]:
            raise DataError(
                f"{where}: {pair.inputs.place} has the shape {list(pair.inputs.shape)}, {pair.labels.place}"
                f" {list(pair.labels.shape)}; both must have the same number of rows; use arrays of the same set"
            )
    order = ["train", "val", "test", None]
    return sorted(pairs, key=lambda pair: order.index(pair.split))


def read_blocks(array: NpzArray) -> Iterator[NDArray[Any]]:
    """Yields blocks of rows, of some megabytes each; raises DataError if the array ends early."""
    num_rows, row_bytes = array.shape[0], max(1, prod(array.shape[1:]) * array.dtype.itemsize)
    if array.is_by_column:
        yield read_whole(array)
        return
    if row_bytes > MAX_ROW_BYTES:
        raise DataError(
            f"{array.path}: {array.name!r} has rows of {row_bytes:,} bytes; at most {MAX_ROW_BYTES:,} are read"
        )
    rows_per_block = max(1, BLOCK_BYTES // row_bytes)
    with _open_data(array) as file:
        for start in range(0, num_rows, rows_per_block):
            count = min(rows_per_block, num_rows - start)
            data = _read(array, file, count * prod(array.shape[1:]) * array.dtype.itemsize)
            yield np.frombuffer(data, array.dtype).reshape(count, *array.shape[1:])


def read_whole(array: NpzArray) -> NDArray[Any]:
    """Reads an array of at most MAX_WHOLE_BYTES."""
    num_bytes = prod(array.shape) * array.dtype.itemsize
    if num_bytes > MAX_WHOLE_BYTES:
        remedy = "save it with numpy.ascontiguousarray" if array.is_by_column else "check the file"
        raise DataError(f"{array.path}: {array.name!r} has {num_bytes:,} bytes that cannot be read in parts; {remedy}")
    with _open_data(array) as file:
        values = np.frombuffer(_read(array, file, num_bytes), array.dtype)
    return values.reshape(array.shape, order="F" if array.is_by_column else "C")


def _key(array: NpzArray) -> tuple[str | None, str]:
    """What inputs and labels of the same rows have in common: the split, and the words that say nothing else."""
    others = [word for word in array.words if word not in INPUT_NAMES | LABEL_NAMES and word not in SPLIT_ALIASES]
    return _find_split(array), " ".join(others)


def _find_split(array: NpzArray) -> str | None:
    return next((SPLIT_ALIASES[word] for word in array.words if word in SPLIT_ALIASES), None)


def _read_header(path: Path, name: str, file: Any) -> NpzArray:
    version = np.lib.format.read_magic(file)
    if version not in {(1, 0), (2, 0)}:
        raise DataError(f"{path}: {name!r} has a header of version {version}; save it again as an array of numbers")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_by_column, dtype = read(file, max_header_size=MAX_HEADER_CHARS)
    if dtype.hasobject:
        raise DataError(
            f"{path}: {name!r} holds pickled Python objects, which can run code and are never loaded; save it again as"
            " numbers or text"
        )
    if dtype.names or any(size < 0 for size in shape):
        raise DataError(f"{path}: {name!r} is no array of numbers or text (shape {shape}); save it again")
    return NpzArray(path, name, shape, dtype, is_by_column and len(shape) > 1)


@contextmanager
def _open_data(array: NpzArray) -> Iterator[IO[bytes]]:
    """The bytes of an array, after its header."""
    with (
        _translate_npz_errors(array.path),
        zipfile.ZipFile(array.path) as archive,
        archive.open(f"{array.name}.npy") as file,
    ):
        _read_header(array.path, array.name, file)
        yield file


def _read(array: NpzArray, file: IO[bytes], num_bytes: int) -> bytes:
    data = file.read(num_bytes)
    if len(data) != num_bytes:
        raise DataError(
            f"{array.path}: {array.name!r} ends {num_bytes - len(data):,} bytes early; fetch the file again"
        )
    return data


@contextmanager
def _translate_npz_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile, zlib.error, EOFError, ValueError, SyntaxError, TypeError, KeyError, MemoryError,
        NotImplementedError, RuntimeError, OSError,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and error.errno in USER_ERRNOS:
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise DataError(f"{path}: not readable as an .npz file ({reason}); fetch the file again") from None
