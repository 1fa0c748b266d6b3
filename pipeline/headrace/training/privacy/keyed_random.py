"""Random numbers of a private training: a pure function of (key, purpose, epoch, step) that tells nothing of the key.

SHAKE-256 (FIPS 202) of key and place is the stream: unlike the generators of NumPy and torch it is made for secrets,
and it starts anywhere, so that a resumed training goes on with the same numbers and any worker can draw them.
Sums are float32: attacks on the last bits of noisy figures (Mironov 2012) are not defended against.
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


def key_of_seed(seed: int) -> bytes:
    """A key that everybody can make who knows the seed."""
    return hashlib.sha256(f"headrace train.seed {seed}".encode()).digest()


def key_in(path: Path) -> bytes:
    """The key that a file keeps; made from the operating system's randomness by the first of all workers to ask.

    The file lies beside the state that a killed training goes on from, and goes with it.
    """
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    if not path.exists():
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # a link appears whole, and for one worker alone
            os.link(aside, path)
        aside.unlink()
    return path.read_bytes()


def uniforms(key: bytes, purpose: str, place: tuple[int, ...], count: int) -> NDArray[np.float64]:
    """`count` numbers in (0, 1], in steps of 2^-53; `place`: (epoch, step) and what else tells draws apart."""
    told = f"{purpose} {' '.join(map(str, place))}".encode()
    stream = hashlib.shake_256(key + told).digest(count * BYTES_PER_NUMBER)
    bits = np.frombuffer(stream, np.dtype("<u8"))
    numbers: NDArray[np.float64] = ((bits >> 11) + 1).astype(np.float64) * 2.0**-53
    return numbers


def normals(key: bytes, purpose: str, place: tuple[int, ...], count: int) -> NDArray[np.float64]:
    """`count` draws of the standard normal distribution, in pairs (Box and Muller 1958)."""
    radii, angles = uniforms(key, purpose, place, 2 * -(-count // 2)).reshape(2, -1)
    radii, angles = np.sqrt(-2 * np.log(radii)), 2 * np.pi * angles
    return np.concatenate([radii * np.cos(angles), radii * np.sin(angles)])[:count]
