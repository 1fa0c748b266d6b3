"""What DVC tracks, between a cluster and a project: through the project's DVC remote, or in a folder of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.config import read_params
from headrace.errors import ClusterError, ConfigError
from headrace.paths import Paths

if TYPE_CHECKING:
    from dvc.repo import Repo

JOB_REMOTE = "headrace-job"
ALWAYS_CHANGED = "always changed"
"""DVC's word for a stage that runs at each `dvc repro`: it only computes the fingerprint of a user's own models."""


def is_up_to_date(paths: Paths, stages: Sequence[str] = ()) -> bool:
    """Returns whether `dvc repro` would run nothing, for these stages and what they need, or for all.

    Raises ConfigError if the folder is not a DVC project, or its `dvc.yaml` is invalid.
    """
    from dvc.exceptions import DvcException

    if not (paths.root / ".dvc").is_dir():
        raise ConfigError(f"{paths.root}: is not a DVC project, which results could come back to; run: dvc init")
    try:
        with _open_repo(paths.root) as repo:
            status = repo.status(targets=_address(paths.root, stages) or None, with_deps=bool(stages))
    except DvcException as error:
        raise ConfigError(f"DVC: {_first_line(error)}; correct it, then run the same command again") from None
    return all(change == ALWAYS_CHANGED for changes in status.values() for change in changes)


def has_usable_remote(root: Path) -> bool:
    """Returns whether the project's default DVC remote can be reached from here; says why not.

    A remote that is a path must exist: a new folder on one machine is not where the others look.
    """
    try:
        with _open_repo(root) as repo:
            if not repo.config["core"].get("remote"):
                return False
            remote = repo.cloud.get_remote()
            exists = remote.fs.exists(remote.path)
            if exists or remote.fs.protocol != "local":
                return True
            reason = f"{remote.path} does not exist here"
    except Exception as error:  # noqa: BLE001 each kind of storage has errors of its own
        reason = _first_line(error)
    sys.stdout.write(f"headrace: the DVC remote is not used: {reason}\n")
    return False


def list_whole_stages(root: Path) -> list[str]:
    """Returns the stages whose outs are here as `dvc.lock` has them: not those that failed, or did not run."""
    lock_path = root / "dvc.lock"
    locked = (read_params(lock_path).get("stages") or {}) if lock_path.is_file() else {}
    stages = read_params(root / "dvc.yaml").get("stages") or {}
    known = [stage for stage in locked if stage.partition("@")[0] in stages]
    if not known:
        return []
    with _open_repo(root) as repo:
        status = repo.status(targets=_address(root, known))
    # its keys have the path of dvc.yaml from the current folder
    changed = {key.rpartition(":")[2] for key, changes in status.items() if _has_changed_outs(changes)}
    return [stage for stage in known if stage not in changed]


def _has_changed_outs(changes: Iterable[Any]) -> bool:
    return any(isinstance(change, dict) and "changed outs" in change for change in changes)


def push_outs(root: Path, stages: Sequence[str], folder: Path | None = None) -> None:
    """Sends the outs of stages to the DVC remote, or to a folder; raises ClusterError."""
    from dvc.exceptions import DvcException

    try:
        with _open_repo(root, folder) as repo:
            if stages:
                repo.push(_address(root, stages), remote=JOB_REMOTE if folder else None, run_cache=folder is None)
    except DvcException as error:
        raise ClusterError(f"dvc push: {_first_line(error)}") from error


def pull_outs(root: Path, stages: Sequence[str], folder: Path | None = None) -> None:
    """Fetches the outs of stages, as `dvc.lock` has them, from the DVC remote or a folder, in place of what is here.

    Raises:
        ClusterError: DVC could not fetch or write them all.
    """
    from dvc.exceptions import DvcException

    try:
        with _open_repo(root, folder) as repo:
            if stages:
                repo.pull(_address(root, stages), remote=JOB_REMOTE if folder else None, force=True)
    except DvcException as error:
        raise ClusterError(f"dvc pull: {_first_line(error)}; correct it, then run: headrace jobs results") from error


def _address(root: Path, stages: Sequence[str]) -> list[str]:
    """Returns stages as DVC finds them from any current folder."""
    return [f"{root / 'dvc.yaml'}:{stage}" for stage in stages]


def is_tracked(root: Path, source: Path) -> bool:
    """Returns whether a source was added by `dvc add`, in a project with a default DVC remote: it goes that way."""
    if not tracking_file(source).is_file() or not (root / ".dvc").is_dir():
        return False
    with _open_repo(root) as repo:
        return bool(repo.config["core"].get("remote"))


def tracking_file(source: Path) -> Path:
    """Returns where `dvc add` describes a file or folder: `photos` -> `photos.dvc`."""
    return source.with_name(f"{source.name}.dvc")


def push_source(root: Path, source: Path) -> None:
    """Sends the files of a source that the DVC remote lacks.

    Raises:
        ConfigError: The source changed since `dvc add`.
        ClusterError: DVC could not send them all.
    """
    from dvc.exceptions import DvcException

    target = str(tracking_file(source))
    name = os.path.relpath(source, root)
    try:
        with _open_repo(root) as repo:
            if source.exists() and repo.status(targets=[target]):
                raise ConfigError(f"{name}: differs from {name}.dvc; run: dvc add {name}")
            repo.push(targets=[target])
    except DvcException as error:
        raise ClusterError(f"dvc push {name}: {_first_line(error)}; check the DVC remote") from error


@contextmanager
def _open_repo(root: Path, folder: Path | None = None) -> Iterator[Repo]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    config: dict[str, Any] = {"core": {}}
    if not any((parent / ".git").exists() for parent in (root, *root.parents)):
        config["core"]["no_scm"] = True
    if folder:
        config["remote"] = {JOB_REMOTE: {"url": str(folder)}}
    try:
        repo = Repo(str(root), config=config)
        repo.config  # noqa: B018 it is read here
    except DvcException as error:
        raise ConfigError(f"DVC: {_first_line(error)}; correct it, then run the same command again") from None
    with repo:
        yield repo


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
