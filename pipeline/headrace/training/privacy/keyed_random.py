"""Random numbers of a private training: a pure function of (key, purpose, position) that does not reveal the key.

The stream is SHAKE-256 (FIPS 202) of key, purpose and position. Unlike the generators of NumPy and torch, it is
cryptographically secure; and it has random access, so that resumed trainings and all workers draw the same numbers.
Sums are float32: there is no defense against attacks on the last bits of noisy values (Mironov 2012).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 32
BYTES_PER_NUMBER = 8


def derive_key(seed: int) -> bytes:
    """Returns a key derived from the seed; anyone who knows the seed can reproduce it."""
    return hashlib.sha256(f"headrace train.seed {seed}".encode()).digest()


def read_or_create_key(path: Path) -> bytes:
    """Returns the key in a file, which the first worker creates from the operating system's randomness.

    The file is next to the resume state of the training, and is deleted with it.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    if not path.exists():
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # linking is atomic and succeeds for a single worker
            os.link(temporary, path)
        temporary.unlink()
    return path.read_bytes()


def draw_uniforms(key: bytes, purpose: str, position: tuple[int, ...], count: int) -> NDArray[np.float64]:
    """Returns `count` numbers in (0, 1], in steps of 2^-53; `position`: (epoch, step) and further indices."""
    message = f"{purpose} {' '.join(map(str, position))}".encode()
    stream = hashlib.shake_256(key + message).digest(count * BYTES_PER_NUMBER)
    bits = np.frombuffer(stream, np.dtype("<u8"))
    numbers: NDArray[np.float64] = ((bits >> 11) + 1).astype(np.float64) * 2.0**-53
    return numbers


def draw_normals(key: bytes, purpose: str, position: tuple[int, ...], count: int) -> NDArray[np.float64]:
    """Returns `count` draws of the standard normal distribution, in pairs (Box and Muller 1958)."""
    radii, angles = draw_uniforms(key, purpose, position, 2 * -(-count // 2)).reshape(2, -1)
    radii, angles = np.sqrt(-2 * np.log(radii)), 2 * np.pi * angles
    return np.concatenate([radii * np.cos(angles), radii * np.sin(angles)])[:count]
