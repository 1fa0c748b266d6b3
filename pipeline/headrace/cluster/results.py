"""The results of a job: its small output files, sent back from the cluster in one checksummed archive."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import tempfile
from pathlib import Path

from headrace.errors import ClusterError
from headrace.paths import Paths
from headrace.storage.atomic import atomic_dir, atomic_file

RESULTS = ("metrics", "reports", "plots", "registered.json", "model_code", "dvc.lock")
"""Installed in this order: `dvc.lock` comes last because it vouches for the others."""
CHECKSUM_LENGTH = 64


def archive_name(submission_id: str) -> str:
    """Returns the name of the results file, which lies next to the job's log: Ray's State API serves that folder."""
    return f"headrace-results-{submission_id}.tar.gz"


def pack_results(root: Path, archive_path: Path) -> None:
    """Writes the hex SHA-256 of a `.tar.gz`, then the `.tar.gz` itself."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", dereference=True) as archive:  # outs may be links into the DVC cache
        for name in RESULTS:
            if (root / name).exists():
                archive.add(root / name, name)
    content = buffer.getvalue()
    with atomic_file(archive_path) as aside:
        aside.write_bytes(hashlib.sha256(content).hexdigest().encode() + content)


def unpack_results(packed: bytes, paths: Paths) -> list[str]:
    """Installs results in the project and returns their paths; each out is replaced atomically.

    Files that the job did not produce stay unchanged.

    Raises:
        ClusterError: The archive was damaged in transit, or holds unexpected members.
    """
    checksum, content = packed[:CHECKSUM_LENGTH], packed[CHECKSUM_LENGTH:]
    if hashlib.sha256(content).hexdigest().encode() != checksum:
        raise ClusterError("submit: the results were truncated or changed in transit; run the same command again")
    paths.state_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.state_dir) as folder:
        _extract(content, Path(folder))
        outs = [out for name in RESULTS for out in _outs(Path(folder) / name)]
        for out in outs:
            _replace(out, paths.root / out.relative_to(folder))
        return [out.relative_to(folder).as_posix() for out in outs]


def _extract(content: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        members = archive.getmembers()
        for member in members:
            if not (member.isfile() or member.isdir()) or member.name.split("/")[0] not in RESULTS:
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
