"""The upload of a job: the project's files without its data, and the environment variables that it needs."""

from __future__ import annotations

import glob
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace.cluster.jobs.outs import is_tracked, tracking_file
from headrace.config import read_params
from headrace.data.datasets import BUILT_INS
from headrace.data.sources.fetch import resolve_local_path
from headrace.data.sources.image_formats import EXTENSIONS as IMAGE_EXTENSIONS
from headrace.errors import ClusterError, ConfigError, DataError
from headrace.paths import OUTS, Paths

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LIMIT_BYTES = 100 * 2**20
"""The dashboard's limit per request (DASHBOARD_CLIENT_MAX_SIZE), which is below Ray's 512 MiB for a working_dir."""
LOCAL_SCHEMES = ("file://", "local://")
OUT_PATHS = {out for outs in OUTS.values() for out in outs}
LEFT_OUT_AT_ROOT = {out.split("/")[0] for out in OUT_PATHS} | {
    "metrics", "mlartifacts", "mlruns", "build", "dist",
}  # fmt: skip
LEFT_OUT_ANYWHERE = {"__pycache__", "node_modules"}
SOURCE_ROOT = "pipeline"
"""The folder that holds the package in a clone."""
HIDDEN_BUT_SENT = {".dvc/config", ".dvcignore"}
"""No other hidden file is sent: not .git, caches, or files with secrets (.env, .dvc/config.local)."""


def pack_project(paths: Paths, files: Sequence[Path], archive_path: Path) -> None:
    """Zips these files; equal ones give equal bytes, so that Ray does not upload them twice.

    Raises ClusterError if the archive is larger than Ray accepts.
    """
    with zipfile.ZipFile(archive_path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in files:
            info = zipfile.ZipInfo(file.relative_to(paths.root).as_posix())  # its date is always 1980
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (file.stat().st_mode & 0o777) << 16
            with file.open("rb") as source, archive.open(info, "w") as sink:
                while chunk := source.read(2**20):
                    sink.write(chunk)
            _check_size(archive_path, paths, files)


def describe_upload(paths: Paths, files: Sequence[Path], archive_path: Path) -> str:
    """Returns how much is sent, and which folder is the largest part of it."""
    sizes = _sum_sizes(paths, files)
    largest, size = sizes.most_common(1)[0]
    return (
        f"uploading {len(files):,} files, {_format_size(sizes.total())} ({_format_size(archive_path.stat().st_size)} "
        f"zipped); the largest part: {largest}, {_format_size(size)}"
    )


def _format_size(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:,.1f} MiB" if num_bytes >= 2**20 else f"{num_bytes / 2**10:,.1f} KiB"


def find_files_to_send(paths: Paths, tracked_source: Path | None = None) -> list[Path]:
    """Returns the project's files in a stable order: no data, results, caches, environments or `.rayignore` matches.

    What `ingest.source` names is sent even from `data/`, but of one that DVC tracks only its `.dvc` file. Linked
    folders are sent as if they were folders.

    Raises:
        ConfigError: There is no such source, or the cluster cannot reach it.
        DataError: The source has a link to nothing.
    """

    def is_searched(folder: Path) -> bool:
        return folder != tracked_source and _is_searched(folder, paths.root)

    own = (file for file in _walk(paths.root, is_searched) if _is_sent(file.relative_to(paths.root).as_posix()))
    files = {file for file in own if file.is_file() and file != tracked_source}
    files |= {tracking_file(tracked_source)} if tracked_source else set(_find_source_files(paths))
    ignored = _read_ignore_file(paths.root / ".rayignore")
    return sorted(file for file in files if not ignored.match_file(file.relative_to(paths.root).as_posix()))


def _walk(folder: Path, is_searched: Callable[[Path], bool], above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yields the files below a folder, also behind links to folders, but not those that lead back."""
    real = folder.resolve()
    if real in above:
        return
    for path in folder.iterdir():
        if path.is_dir():
            if is_searched(path):
                yield from _walk(path, is_searched, (*above, real))
        elif path.is_file() or path.is_symlink():
            yield path


def _is_searched(folder: Path, root: Path) -> bool:
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


def _read_ignore_file(path: Path) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # comes with DVC, and with Ray, which reads the same file

    return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8").splitlines() if path.exists() else [])


def find_tracked_source(paths: Paths) -> Path | None:
    """Returns `ingest.source` if it lies in the project and goes by the DVC remote."""
    source = _read_local_source(paths)
    path = Path(os.path.normpath(paths.root / source))
    return path if source and path.is_relative_to(paths.root) and is_tracked(paths.root, path) else None


def _read_local_source(paths: Paths) -> str:
    """Returns `ingest.source`; empty for a URL, or a built-in dataset."""
    source = (read_params(paths.params_path).get("ingest") or {}).get("source")
    for scheme in LOCAL_SCHEMES:
        source = source.removeprefix(scheme) if isinstance(source, str) else source
    return source if isinstance(source, str) and "://" not in source and source not in BUILT_INS else ""


def _find_source_files(paths: Paths) -> Iterator[Path]:
    """Yields the files of `ingest.source` if it lies inside the project, and the images that a table may name."""
    source = _read_local_source(paths)
    if not source:
        return
    path = Path(os.path.normpath(resolve_local_path(source, paths.root)))
    matches = _match(path)
    if not _check_reachable(source, path, paths.root, is_here=bool(matches)):
        return
    for match in matches:
        for file in _walk(match, lambda _: True) if match.is_dir() else [match]:
            if not file.exists():
                raise DataError(f"{file}: is a link to nothing; remove it, or restore the file")
            yield file
    for folder in {match.parent for match in matches if match.is_file()} - {paths.root}:
        images = _walk(folder, lambda below: below.relative_to(paths.root).as_posix() not in OUT_PATHS)
        yield from (file for file in images if file.suffix.lower() in IMAGE_EXTENSIONS and file.exists())


def _match(path: Path) -> list[Path]:
    """Returns the path, or what it matches as a glob; nothing if that does not exist here."""
    if path.exists():
        return [path]
    return [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - as the readers do


def _check_reachable(source: str, path: Path, root: Path, *, is_here: bool) -> bool:
    """Returns whether a source lies inside the project; raises ConfigError if the job could not read it."""
    is_inside = path.is_relative_to(root) or path.resolve().is_relative_to(root.resolve())
    is_absolute = Path(source).is_absolute()
    if not is_here:
        if is_absolute or source.startswith("~") or os.environ.get("HEADRACE_WORKSPACE"):
            return False  # it may exist on the cluster only
        raise ConfigError(
            f"params.yaml: ingest.source: {source!r} is no file or folder of the project, and no built-in dataset; "
            "correct it, or use a path on storage that all nodes share, or a URL"
        )
    if is_inside == is_absolute:
        remedy = f"write {os.path.relpath(path.resolve(), root.resolve())}" if is_inside else "move it into the project"
        raise ConfigError(
            f"params.yaml: ingest.source: the cluster has no {source!r}; {remedy}, or use a path on storage that all "
            "nodes share, or a URL"
        )
    return is_inside


def _sum_sizes(paths: Paths, files: Sequence[Path]) -> Counter[str]:
    """Returns bytes by folder, at most two levels deep, or file at the root."""
    sizes: Counter[str] = Counter()
    for file in files:
        sizes["/".join(file.relative_to(paths.root).parts[:-1][:2]) or file.name] += file.stat().st_size
    return sizes


def _check_size(archive_path: Path, paths: Paths, files: Sequence[Path]) -> None:
    if archive_path.stat().st_size < LIMIT_BYTES - 2**20:  # leaves room for the archive's index
        return
    sizes = _sum_sizes(paths, files)
    largest, size = sizes.most_common(1)[0]
    raise ClusterError(
        f"submit: the project is {sizes.total() / 2**20:.0f} MiB, a cluster accepts {LIMIT_BYTES / 2**20:.0f} zipped; "
        f"the largest part is {largest} ({size / 2**20:.0f} MiB): list it in .rayignore, and set ingest.source to a "
        "URL or a path on storage that all nodes share; or send it by a DVC remote: dvc add the source"
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
