"""Archives and compressed files, recognized by content and name, and unpacked once into the cache."""

from __future__ import annotations

import struct
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from headrace.data.sources.archives.compression import (
    COMPRESSIONS,
    DECOMPRESSION_ERRORS,
    Compression,
    detect_compression,
    open_decompressed,
)
from headrace.data.sources.archives.safe_extract import END_OF_ARCHIVE, SafeExtractor
from headrace.data.sources.limits import LIMITS, SourceLimits, UnpackBudget
from headrace.errors import USER_ERRNOS, DataError
from headrace.storage.atomic import atomic_dir
from headrace.storage.lock import exclusive_lock

SUPPORTED = ("zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz", "tar.zst", "gz", "bz2", "xz", "zst")
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
UNSUPPORTED_MAGIC = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "rar"}
TAR_EXTENSIONS = (".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tzst")
EXTENSIONS = {".zip": "zip", **dict.fromkeys(TAR_EXTENSIONS, "tar"), **dict.fromkeys(COMPRESSIONS, "file")}
"""File extension -> what the file should be, as in ArchiveFormat; the first that matches counts."""
NOT_UNPACKED = (
    ".npz", ".pt", ".pth", ".ckpt", ".keras", ".xlsx", ".xlsm", ".docx", ".pptx", ".ods", ".odt", ".epub", ".jar",
    ".whl", ".apk", ".rds", ".rdata", ".svgz",
)  # fmt: skip
"""File formats that are zip or gzip inside."""
IDX_MARK = "-ubyte"
HEADER_BYTES = 512
ARCHIVE_ERRORS = (
    *DECOMPRESSION_ERRORS, tarfile.TarError, zipfile.BadZipFile, struct.error, ValueError, LookupError, OverflowError,
    RuntimeError,
)  # fmt: skip
"""What the readers of archives raise for damaged ones."""


class DamagedArchiveError(DataError):
    """An archive that is truncated or corrupt."""


class ArchiveFormat(NamedTuple):
    """Whether a file is a zip or tar archive or a single compressed file, and its compression."""

    content: str
    compression: Compression | None = None


def unpack(path: Path, cache_dir: Path, *, limits: SourceLimits = LIMITS, where: str | None = None) -> Path:
    """Returns the folder of an archive's content, or the decompressed file; `path` itself if it is neither.

    The first call unpacks it below `cache_dir`. If the archive has a single folder at its top, that folder is
    returned. Archives inside are not unpacked. Raises DataError, which begins with `where`, if the archive is damaged,
    exceeds a limit, is encrypted, or contains links, devices or unsafe names.
    """
    where = where or str(path)
    with translate_archive_errors(where):
        archive, stat = detect_format(path, where), path.stat()
    if archive is None:
        return path
    key = sha256(f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    unpacked = cache_dir / key.hexdigest()[:16] / "unpacked"
    if not unpacked.is_dir():
        with exclusive_lock(unpacked.with_name(".lock"), f"unpacking {path.name}"), atomic_dir(unpacked) as folder:
            extractor = SafeExtractor(folder, UnpackBudget(limits, stat.st_size, where), where)
            with translate_archive_errors(where):
                _extract(path, archive, extractor)
            if not extractor.num_files:
                raise DataError(f"{where}: contains no files; pack it again with its files")
    entries = list(unpacked.iterdir())
    is_single = len(entries) == 1 and (archive.content == "file" or entries[0].is_dir())
    return entries[0] if is_single else unpacked


def read_tar(path: Path, max_bytes: int, *, limits: SourceLimits = LIMITS) -> Iterator[tuple[str, bytes]]:
    """Yields the names and contents of a tar archive's files, in order; raises what `unpack` does.

    Args:
        path: The archive, compressed or not.
        max_bytes: Of one file.
        limits: The most that may be read.
    """
    where, size = str(path), path.stat().st_size
    if not size:
        raise DamagedArchiveError(f"{where}: is empty; get it again")
    with translate_archive_errors(where):
        with path.open("rb") as head:
            compression = detect_compression(head.read(HEADER_BYTES))
        with open_decompressed(path, compression) as file:
            yield from SafeExtractor(path.parent, UnpackBudget(limits, size, where), where).read_tar(file, max_bytes)


def is_tar_name(name: str) -> bool:
    """Whether a file is named as a tar archive, compressed or not."""
    return name.lower().endswith(TAR_EXTENSIONS)


def detect_format(path: Path, where: str) -> ArchiveFormat | None:
    """Returns how to unpack a file, or None; raises DataError if its name promises an archive that it is not."""
    name = path.name.lower()
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    for magic, other in UNSUPPORTED_MAGIC.items():
        if head.startswith(magic):
            raise DataError(f"{where}: {other} archives are not supported; pack it as one of {list(SUPPORTED)}")
    compression = detect_compression(head)
    if name.endswith(NOT_UNPACKED) or (compression == "gz" and IDX_MARK in name):
        return None
    archive = _detect_content(path, head, compression)
    promised = next((content for extension, content in EXTENSIONS.items() if name.endswith(extension)), None)
    is_as_promised = compression if promised == "file" else archive and archive.content == promised
    if promised and not is_as_promised:
        problem = "is no such archive by its content" if head else "is empty"
        raise DamagedArchiveError(f"{where}: {problem}, though its name says so; get it again, or rename it")
    return archive


@contextmanager
def translate_archive_errors(where: str) -> Iterator[None]:
    """Raises DamagedArchiveError, which begins with `where`, for damage; a full disk and the like pass unchanged."""
    try:
        yield
    except NotImplementedError as error:  # by zipfile
        raise DataError(f"{where}: cannot be unpacked ({error}); pack it again, as one of {list(SUPPORTED)}") from None
    except ARCHIVE_ERRORS as error:
        if isinstance(error, OSError) and error.errno in USER_ERRNOS:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DamagedArchiveError(
            f"{where}: damaged or truncated ({reason}); get it again, then run the same command"
        ) from None


def _detect_content(path: Path, head: bytes, compression: Compression | None) -> ArchiveFormat | None:
    if head.startswith(ZIP_MAGIC):
        return ArchiveFormat("zip")
    if compression:
        with open_decompressed(path, compression) as file:
            head = file.read(HEADER_BYTES)
    if _is_tar(head, path.name):
        return ArchiveFormat("tar", compression)
    return ArchiveFormat("file", compression) if compression else None


def _is_tar(head: bytes, name: str) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        # zeros are an empty tar, or any file that begins with zeros
        return type(error).__name__ == END_OF_ARCHIVE and name.lower().endswith(TAR_EXTENSIONS)
    except ValueError:
        return False
    return True


def _extract(path: Path, archive: ArchiveFormat, extractor: SafeExtractor) -> None:
    if archive.content == "zip":
        extractor.extract_zip(path)
        return
    with open_decompressed(path, archive.compression) as file:
        if archive.content == "tar":
            extractor.extract_tar(file)
        else:
            is_named = path.suffix.lower() in COMPRESSIONS and path.stem
            extractor.extract_file(file, path.stem if is_named else path.name)
