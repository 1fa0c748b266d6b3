"""A copy of the project at the commit of a model, with its data, in a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from headrace.cluster.jobs.pipeline_run import run_module
from headrace.config import read_params
from headrace.contracts import Json
from headrace.data.datasets import BUILT_INS
from headrace.errors import DataError
from headrace.paths import Paths
from headrace.storage.atomic import atomic_file
from headrace.training.settings import TrainSettings

AUTO = "auto"
COMMIT = re.compile("[0-9a-f]{40,64}")
PATTERN = re.compile(r"[*?\[{]")


def check_commit(paths: Paths, title: str, lineage: Json, *, is_forced: bool) -> str:
    """Returns the commit of a model; raises DataError if it is not here, or not all that the model was made of."""
    commit = str(lineage.get("git_commit") or "")
    if not commit:
        raise DataError(f"{title}: records no commit, since the project was not in git; commit it, and train again")
    if not COMMIT.fullmatch(commit) or _git(paths.root, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        raise DataError(f"{title}: its commit {commit} is not in this repository; get it: git fetch --all")
    if lineage.get("git_dirty") and not is_forced:
        raise DataError(
            f"{title}: was trained with uncommitted changes to commit {commit[:12]}, which nothing holds; --force runs"
            " that commit without them"
        )
    return commit


def check_out(paths: Paths, title: str, commit: str, folder: Path) -> Paths:
    """Clones the project at a commit into the new folder `folder`, and gets its data; returns the project's paths.

    Objects of git and files of DVC's cache are shared with the project. Raises DataError if the data are not there.
    """
    prefix = _git(paths.root, "rev-parse", "--show-prefix") or ""
    top = _git(paths.root, "rev-parse", "--show-toplevel") or str(paths.root)
    _require_git(title, paths.root, "clone", "--quiet", "--shared", "--no-checkout", top, str(folder))
    _require_git(title, folder, "checkout", "--quiet", "--detach", commit)
    project = Paths(folder / prefix)
    for path in (project.params_path, project.root / "dvc.yaml"):
        if not path.is_file():
            raise DataError(f"{title}: commit {commit[:12]} has no {path.name}; commit it, and train again")
    _check_out_data(paths, project, title)
    _link_source(paths, project, title)
    return project


def fix_settings(project: Paths, settings: Json) -> None:
    """Writes the values that were found for `auto`, some of which depend on measured times, to `params.yaml`."""
    from ruamel.yaml import YAML

    params: Any = read_params(project.params_path)
    section = params.setdefault("train", {})
    defaults = TrainSettings().model_dump()
    found = {name for name in settings if section.get(name, defaults.get(name)) == AUTO and settings[name] is not None}
    if found:
        section.update({name: settings[name] for name in found})
        with atomic_file(project.params_path) as temporary_path, temporary_path.open("w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump(params, file)


def _check_out_data(paths: Paths, project: Paths, title: str) -> None:
    """Gets what `dvc add` put into the cache, or into a remote."""
    tracked = (_git(project.root, "ls-files", "*.dvc") or "").split("\n")
    names = [name for name in tracked if name and (project.root / name).is_file()]
    if not names:
        return
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    cache = subprocess.run(command, cwd=paths.root, capture_output=True, text=True, check=False).stdout.strip()
    run_module(project.root, "dvc", "config", "--quiet", "--local", "cache.dir", cache)
    if run_module(project.root, "dvc", "checkout", "--quiet", *names) and run_module(
        project.root, "dvc", "pull", "--quiet", *names
    ):
        raise DataError(
            f"{title}: its data ({', '.join(names)}) are neither in DVC's cache nor in a remote; get them: dvc pull"
        )


def _link_source(paths: Paths, project: Paths, title: str) -> None:
    """Links a source that neither git nor DVC tracks; whether it has changed since is seen by the hash of its rows."""
    source = str((read_params(project.params_path).get("ingest") or {}).get("source", ""))
    parts = Path(source).parts
    num_plain = next((index for index, part in enumerate(parts) if PATTERN.search(part)), len(parts))
    place = Path(*parts[:num_plain])
    if source in BUILT_INS or "://" in source or source.startswith(("/", "~")) or not num_plain:
        return
    here, there = project.root / place, paths.root / place
    if here.exists():
        return
    if not there.exists():
        raise DataError(f"{title}: its data, {place}, are neither in git, nor tracked by DVC, nor here; put them back")
    here.parent.mkdir(parents=True, exist_ok=True)
    here.symlink_to(there.resolve())


def _git(root: Path, *arguments: str) -> str | None:
    """Returns the output of git; None if it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(root), *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return process.stdout.strip() if process.returncode == 0 else None


def _require_git(title: str, root: Path, *arguments: str) -> None:
    if _git(root, *arguments) is None:
        raise DataError(f"{title}: git {' '.join(arguments)}: failed; run it by hand to see why")
