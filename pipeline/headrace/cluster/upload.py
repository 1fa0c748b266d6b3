"""The upload of a job: the project's files without its data, and the environment variables that it needs."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace.config import read_params
from headrace.errors import ClusterError, ConfigError
from headrace.paths import OUTS, Paths

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LIMIT_BYTES = 100 * 2**20
"""The dashboard's limit per request (DASHBOARD_CLIENT_MAX_SIZE), which is below Ray's 512 MiB for a working_dir."""
LEFT_OUT_AT_ROOT = {out.split("/")[0] for outs in OUTS.values() for out in outs} | {
    "metrics", "mlartifacts", "mlruns", "build", "dist",
}  # fmt: skip
LEFT_OUT_ANYWHERE = {"__pycache__", "node_modules"}
SOURCE_ROOT = "pipeline"
"""The folder that holds the package in a clone."""
HIDDEN_BUT_SENT = {".dvc/config", ".dvcignore"}
"""No other hidden file is sent: not .git, caches, or files with secrets (.env, .dvc/config.local)."""


def pack_project(paths: Paths, archive_path: Path) -> None:
    """Zips the project; equal files give equal bytes, so that Ray does not upload them twice.

    Raises:
        ClusterError: The archive is larger than Ray accepts.
        ConfigError: The cluster cannot reach `ingest.source`.
    """
    files = list(find_files_to_send(paths))
    with zipfile.ZipFile(archive_path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in files:
            info = zipfile.ZipInfo(file.relative_to(paths.root).as_posix())  # its date is always 1980
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (file.stat().st_mode & 0o777) << 16
            with file.open("rb") as source, archive.open(info, "w") as sink:
                while chunk := source.read(2**20):
                    sink.write(chunk)
            _check_size(archive_path, paths, files)


def find_files_to_send(paths: Paths) -> Iterator[Path]:
    """Yields the project's files in a stable order: no data, results, caches, environments or `.rayignore` matches."""
    source = _source_in_project(paths)
    ignored = _read_ignore_file(paths.root / ".rayignore")
    for folder, names, files in os.walk(paths.root):
        here = Path(folder)
        names[:] = sorted(name for name in names if _is_searched(here / name, paths.root, source))
        for file in sorted(here / name for name in files):
            relative = file.relative_to(paths.root).as_posix()
            if not ignored.match_file(relative) and (_is_under(file, source) or _is_sent(relative)):
                yield file


def _is_searched(folder: Path, root: Path, source: Path | None) -> bool:
    if source and (_is_under(folder, source) or _is_under(source, folder)):
        return True
    relative = folder.relative_to(root).as_posix()
    if relative == ".dvc":
        return True
    is_hidden_or_generated = folder.name.startswith(".") or folder.name in LEFT_OUT_ANYWHERE
    is_environment = (folder / "pyvenv.cfg").exists()
    return not (
        is_hidden_or_generated or is_environment or folder.name.endswith(".egg-info") or relative in LEFT_OUT_AT_ROOT
    )


def _is_sent(relative: str) -> bool:
    parts = relative.split("/")
    if relative in HIDDEN_BUT_SENT:
        return True
    if any(part.startswith(".") for part in parts) or parts[0] in LEFT_OUT_AT_ROOT:
        return False
    return not relative.startswith("mlflow.db") and not relative.endswith((".pyc", ".tmp"))


def _is_under(path: Path, folder: Path | None) -> bool:
    return folder is not None and path.is_relative_to(folder)


def _read_ignore_file(path: Path) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # comes with DVC, and with Ray, which reads the same file

    return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8").splitlines() if path.exists() else [])


def _source_in_project(paths: Paths) -> Path | None:
    """The file or folder `ingest.source` if it lies inside the project: it is sent even from `data/`."""
    source = (read_params(paths.params_path).get("ingest") or {}).get("source")
    if not isinstance(source, str) or "://" in source:
        return None
    root, path = paths.root.resolve(), (paths.root / source).resolve()
    if not path.exists() or path == root:
        return None  # a built-in dataset, or a path that exists only on the cluster
    is_inside, is_absolute = path.is_relative_to(root), Path(source).is_absolute()
    if is_inside == is_absolute:
        remedy = f"write {path.relative_to(root)}" if is_inside else "move it into the project"
        raise ConfigError(
            f"params.yaml: ingest.source: the cluster has no {source!r}; {remedy}, or use a path on storage that all "
            "nodes share, or a URL"
        )
    return paths.root / source if is_inside else None


def _check_size(archive_path: Path, paths: Paths, files: list[Path]) -> None:
    if archive_path.stat().st_size < LIMIT_BYTES - 2**20:  # leaves room for the archive's index
        return
    sizes: Counter[str] = Counter()
    for file in files:
        sizes["/".join(file.relative_to(paths.root).parts[:-1][:2]) or file.name] += file.stat().st_size
    largest, size = sizes.most_common(1)[0]
    raise ClusterError(
        f"submit: the project is {sizes.total() / 2**20:.0f} MiB, a cluster accepts {LIMIT_BYTES / 2**20:.0f} zipped; "
        f"the largest part is {largest} ({size / 2**20:.0f} MiB): list it in .rayignore, and set ingest.source to a "
        "URL or a path on storage that all nodes share"
    )


def make_job_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns MLFLOW_TRACKING_URI and HEADRACE_* for the job; everybody with access to the dashboard can read them.

    Raises:
        ClusterError: A value contains a password.
    """
    sent = {name: value for name, value in environ.items() if name == "MLFLOW_TRACKING_URI" or name[:9] == "HEADRACE_"}
    for name, value in sent.items():
        if "@" in urlsplit(value).netloc:
            raise ClusterError(
                f"{name}: contains a user or password, which the dashboard would show; remove it, "
                "and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD where Ray is started on the cluster"
            )
    return sent


def make_python_path(root: Path) -> dict[str, str]:
    """Returns PYTHONPATH for a project that contains Headrace's source, such as a clone of it, else nothing.

    The path is relative: Ray starts a job's processes in the folder of the unpacked upload.
    """
    return {"PYTHONPATH": SOURCE_ROOT} if (root / SOURCE_ROOT / "headrace" / "__init__.py").is_file() else {}
