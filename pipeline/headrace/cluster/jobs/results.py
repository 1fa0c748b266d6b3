"""The results of a job, sent back from the cluster in one checksummed archive.

It holds the small files as they are, the outs of DVC by content (unless a DVC remote has them), and `job.json`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from headrace.cluster.jobs.outs import pull_outs
from headrace.contracts import Json
from headrace.errors import ClusterError
from headrace.paths import Paths
from headrace.storage.atomic import atomic_dir, atomic_file

RESULTS = ("metrics", "reports", "plots", "registered.json", "model_code", "dvc.lock")
"""Installed in this order: `dvc.lock` comes last because it vouches for the others."""
OBJECTS, ABOUT = "objects", "job.json"
"""Members of the archive that are not files of the project: a DVC remote of the outs, and facts about the job."""
CHECKSUM_LENGTH = 64
CHUNK_BYTES = 2**20


class Installed(NamedTuple):
    """What came back."""

    outs: list[str]
    about: Json
    """`register_here`: whether `register` is left to this project; `tracking_uri`: where it was registered;
    `has_remote`: whether the outs are in the DVC remote; `stages`: whose outs came back."""


def archive_name(submission_id: str) -> str:
    """Returns the name of the results file, which lies next to the job's log: Ray's State API serves that folder."""
    return f"headrace-results-{submission_id}.tar.gz"


def pack_results(root: Path, archive_path: Path, about: Json, objects_dir: Path | None = None) -> None:
    """Writes a `.tar.gz`, followed by its SHA-256 in hex."""
    with atomic_file(archive_path) as aside, tempfile.TemporaryDirectory() as folder:
        about_path = Path(folder) / ABOUT
        about_path.write_text(json.dumps(about), encoding="utf-8")
        # outs may be links into the DVC cache
        with tarfile.open(aside, mode="w:gz", compresslevel=1, dereference=True) as archive:
            archive.add(about_path, ABOUT)
            if objects_dir and objects_dir.is_dir():
                archive.add(objects_dir, OBJECTS)
            for name in RESULTS:
                if (root / name).exists():
                    archive.add(root / name, name)
        checksum = _hash_file(aside, aside.stat().st_size)
        with aside.open("ab") as file:
            file.write(checksum.encode())


def install_results(archive_path: Path, paths: Paths) -> Installed:
    """Installs results in the project; each out is replaced atomically.

    Files that the job did not produce stay unchanged.

    Raises:
        ClusterError: The archive was damaged in transit, or holds unexpected members; or DVC cannot fetch the outs.
    """
    _check_whole(archive_path)
    paths.state_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.state_dir) as name:
        folder = Path(name)
        _extract(archive_path, folder)
        about = json.loads((folder / ABOUT).read_bytes()) if (folder / ABOUT).is_file() else {}
        outs = [out for result in RESULTS for out in _outs(folder / result)]
        for out in outs:
            _replace(out, paths.root / out.relative_to(folder))
        if (folder / OBJECTS).is_dir():
            pull_outs(paths.root, about["stages"], folder / OBJECTS)
        elif about.get("has_remote"):
            pull_outs(paths.root, about["stages"])
        return Installed([out.relative_to(folder).as_posix() for out in outs], about)


def _check_whole(archive_path: Path) -> None:
    size = archive_path.stat().st_size - CHECKSUM_LENGTH
    with archive_path.open("rb") as file:
        file.seek(max(size, 0))
        checksum = file.read()
    if size <= 0 or _hash_file(archive_path, size).encode() != checksum:
        raise ClusterError("submit: the results were truncated or changed in transit; run: headrace jobs results")


def _hash_file(path: Path, size: int) -> str:
    """Returns the SHA-256 of the first `size` bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(min(CHUNK_BYTES, size)):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest()


def _extract(archive_path: Path, folder: Path) -> None:
    with tarfile.open(archive_path, mode="r:gz") as archive:
        members = archive.getmembers()
        for member in members:
            is_expected = member.name.split("/")[0] in {*RESULTS, OBJECTS, ABOUT}
            if not (member.isfile() or member.isdir()) or not is_expected:
                raise ClusterError(
                    f"submit: the results hold {member.name!r}, which is not a result; nothing was installed"
                )
        try:
            archive.extractall(folder, members, filter="data")
        except tarfile.FilterError as error:
            raise ClusterError(
                f"submit: the results would write outside the project ({error}); nothing was installed"
            ) from None


def _outs(path: Path) -> list[Path]:
    """A file, or the entries of a folder: the granularity of DVC outs (`reports/test`, `metrics/test.json`)."""
    if path.is_dir():
        return sorted(path.iterdir())
    return [path] if path.exists() else []


def _replace(source: Path, target: Path) -> None:
    if source.is_dir():
        with atomic_dir(target) as aside:
            shutil.copytree(source, aside, dirs_exist_ok=True)
    else:
        with atomic_file(target) as aside:
            shutil.copyfile(source, aside)
