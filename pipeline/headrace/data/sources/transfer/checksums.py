"""Checksums that a user gives: `sha256:...` or `md5:...`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from headrace.errors import ConfigError, DataError

DIGITS = {"sha256": 64, "md5": 32}


def check_checksum_format(checksum: str) -> None:
    """Raises ConfigError for a malformed checksum."""
    name, _, digits = checksum.partition(":")
    if name not in DIGITS or not re.fullmatch(rf"[0-9a-fA-F]{{{DIGITS[name]}}}", digits):
        raise ConfigError(
            f"params.yaml: ingest.checksum: got {checksum[:80]!r}; must be 'sha256:' and 64 hexadecimal digits, or"
            " 'md5:' and 32; run: sha256sum FILE"
        )


def has_checksum(path: Path, checksum: str) -> bool:
    """Whether a file has this checksum."""
    return _digest(path, checksum) == checksum.lower()


def verify_checksum(path: Path, checksum: str, where: str) -> None:
    """Raises DataError for a file with another checksum, and ConfigError for a folder."""
    if path.is_dir():
        raise ConfigError(f"{where}: a folder, but ingest.checksum is for one file; remove ingest.checksum")
    got = _digest(path, checksum)
    if got != checksum.lower():
        raise DataError(
            f"{where}: its checksum is {got}, but ingest.checksum is {checksum}; the file was changed or damaged;"
            " get it again, or correct ingest.checksum"
        )


def _digest(path: Path, checksum: str) -> str:
    name = checksum.partition(":")[0]
    with path.open("rb") as file:
        # MD5 detects damage but not tampering, so error messages name sha256 first
        return f"{name}:{hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()}"
