"""Archives and packed files, told by content and name, unpacked once into the cache."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from headrace.data.sources.archives.compression import CountedStream, Packing, open_packed, packing_of
from headrace.data.sources.archives.safe_extract import END, Target, write_tar, write_zip
from headrace.data.sources.limits import LIMITS, LOCAL_ERRNOS, SourceLimits, UnpackBudget
from headrace.errors import DataError
from headrace.storage.atomic import atomic_dir
from headrace.storage.lock import exclusive

READ = ("zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz", "tar.zst", "gz", "bz2", "xz", "zst")
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
OTHERS = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "rar"}
TAR_NAMES = (".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tzst")
PACKED_NAMES = (".gz", ".bz2", ".xz", ".zst")
KEPT_NAMES = (
    ".npz", ".pt", ".pth", ".ckpt", ".keras", ".xlsx", ".xlsm", ".docx", ".pptx", ".ods", ".odt", ".epub", ".jar",
    ".whl", ".apk", ".rds", ".rdata", ".svgz",
)  # fmt: skip
"""Formats of their own that are packed inside."""
IDX_MARK = "-ubyte"
HEADER_BYTES = 512
DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, IndexError,
    KeyError, OverflowError, RecursionError, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What the readers of archives raise for damaged ones."""


class DamagedError(DataError):
    """An archive that is cut off or changed on its way."""


class Kind(NamedTuple):
    """What a file is: a zip or tar archive, or one packed file."""

    holds: str
    packing: Packing | None = None


def unpack(path: Path, cache_dir: Path, *, limits: SourceLimits = LIMITS, where: str | None = None) -> Path:
    """The folder that an archive holds, or the file that was packed; `path` itself when it is neither.

    Unpacked below `cache_dir` at the first call. An archive with one folder on top gives that folder; archives inside
    are left as they are. Raises DataError (`where` begins it) for a damaged archive, one that passes a limit, and one
    with links, devices, encryption or names that lead outside.
    """
    where = where or str(path)
    with translate_archive_errors(where):
        kind, about = find_kind(path, where), path.stat()
    if kind is None:
        return path
    key = sha256(f"{path.resolve()}|{about.st_size}|{about.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    unpacked = cache_dir / key.hexdigest()[:16] / "unpacked"
    if not unpacked.is_dir():
        with exclusive(unpacked.with_name(".lock"), f"unpacking {path.name}"), atomic_dir(unpacked) as folder:
            budget = UnpackBudget(limits, about.st_size, where)
            with translate_archive_errors(where):
                _write(path, kind, Target(folder, budget, where), budget)
    tops = list(unpacked.iterdir())
    alone = len(tops) == 1 and (kind.holds == "file" or tops[0].is_dir())
    return tops[0] if alone else unpacked


def find_kind(path: Path, where: str) -> Kind | None:
    """What to unpack a file as; raises DataError when its name promises an archive that it is not."""
    name = path.name.lower()
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    for magic, other in OTHERS.items():
        if head.startswith(magic):
            raise DataError(f"{where}: {other} archives are not read; pack it as one of {list(READ)}")
    packing = packing_of(head)
    if name.endswith(KEPT_NAMES) or (packing == "gz" and IDX_MARK in name):
        return None
    found = _found(path, head, packing)
    promised = "zip" if name.endswith(".zip") else "tar" if name.endswith(TAR_NAMES) else None
    if (promised and (found is None or found.holds != promised)) or (
        promised is None and name.endswith(PACKED_NAMES) and not packing
    ):
        got = "is empty" if not head else "is no such archive by its content"
        raise DamagedError(f"{where}: {got}, though its name says so; get it again, or name it as what it is")
    return found


def _found(path: Path, head: bytes, packing: Packing | None) -> Kind | None:
    if head.startswith(ZIP_MAGIC):
        return Kind("zip")
    if packing:
        with open_packed(path, packing) as file:
            head = file.read(HEADER_BYTES)
    if _is_tar(head, path.name):
        return Kind("tar", packing)
    return Kind("file", packing) if packing else None


def _is_tar(head: bytes, name: str) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        # zeros are a tar of nothing, or any file that begins with zeros
        return type(error).__name__ == END and name.lower().endswith(TAR_NAMES)
    except ValueError:
        return False
    return True


def _write(path: Path, kind: Kind, target: Target, budget: UnpackBudget) -> None:
    if kind.holds == "zip":
        write_zip(path, target, budget)
    else:
        with open_packed(path, kind.packing) as file:
            stream = CountedStream(file, budget)
            if kind.holds == "tar":
                write_tar(stream, target)
            else:
                target.add_file(_bare_name(path.name), stream.rest())
    if not target.num_files:
        raise DataError(f"{target.where}: holds no file; pack it again with its files")


def _bare_name(name: str) -> str:
    """`labels.csv` of `labels.csv.gz`; a name without such an end stays."""
    end = next((end for end in PACKED_NAMES if name.lower().endswith(end)), "")
    return name.removesuffix(name[len(name) - len(end) :]) if end and len(name) > len(end) else name


@contextmanager
def translate_archive_errors(where: str) -> Iterator[None]:
    """Raises DataError, which names `where`, for what the archive libraries raise on a damaged file."""
    try:
        yield
    except (*DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno in LOCAL_ERRNOS:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DamagedError(
            f"{where}: damaged or cut off ({reason}); only whole ones are read; get it again, then run the same command"
        ) from None
