"""Loads the pickles of CIFAR's Python version; nothing that a file names is imported or called.

The published files are protocol 2, written by Python 2 and NumPy 1. They name three globals, which rebuild the array of
pixels. Classes of this module stand in for them, so a crafted state never reaches NumPy's own `__setstate__`.
"""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.errors import DataError

LARGEST_PUBLISHED_BYTES = 155_249_918
"""Size of CIFAR-100's `train`, the largest published file."""
MAX_BYTES = 2 * LARGEST_PUBLISHED_BYTES
UNSUPPORTED_OPCODES = pickle.BYTEARRAY8 + pickle.EXT1 + pickle.EXT2 + pickle.EXT4
"""BYTEARRAY8 allocates any length that a file claims; the extension registry bypasses `find_class`."""


def load_cifar_pickle(path: Path) -> dict[bytes, Any]:
    """Returns the dictionary in a file: byte strings as keys; lists, numbers, byte strings and uint8 arrays as values.

    Raises DataError for any other file, and before reading one of more than MAX_BYTES.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: has {size} bytes; at most {MAX_BYTES} are read; use the binary version")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); fetch the file again") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in a damaged file
            values = _CifarUnpickler(io.BytesIO(data), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise DataError(f"{path}: {error}; fetch the file again") from None
    except Exception as error:  # noqa: BLE001 - on damaged bytes an unpickler raises anything
        reason = type(error).__name__
        raise DataError(f"{path}: damaged, or not a pickle ({reason}); fetch the file again") from None
    if not isinstance(values, dict) or not all(isinstance(key, bytes) for key in values):
        raise DataError(f"{path}: does not hold a dictionary with byte strings as keys; fetch the file again")
    return {key: value.pixels if isinstance(value, _Array) else value for key, value in values.items()}


class _Array:
    """Stands in for `numpy.ndarray`, and for the function that makes an empty one."""

    pixels: NDArray[np.uint8] = np.empty(0, np.uint8)

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _, shape, _, is_fortran, data = state
        self.pixels = np.frombuffer(data, np.uint8).reshape(shape, order="F" if is_fortran else "C")


class _Dtype:
    """Stands in for `numpy.dtype`; accepts only uint8, which has no byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code != b"u1":
            raise pickle.UnpicklingError("has an array that is not of type uint8")

    def __setstate__(self, state: Any) -> None:
        pass


STAND_INS: dict[str, type] = {
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
}


class _CifarUnpickler(pickle._Unpickler):  # noqa: SLF001 - the one in C allocates 64 GB for a memo index of 2^32 - 1
    dispatch = {code: step for code, step in pickle._Unpickler.dispatch.items() if code not in UNSUPPORTED_OPCODES}  # noqa: SLF001

    def find_class(self, module_name: str, global_name: str, /) -> type:
        name = f"{module_name}.{global_name}"
        if name not in STAND_INS:
            raise pickle.UnpicklingError(f"names {name[:80]!a}, which no published file does: it may be hostile")
        return STAND_INS[name]
