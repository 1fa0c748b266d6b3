"""`headrace init`: creates a project that `dvc repro` can run at once, in a new or empty folder."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.commands.project_template import find_local_source, write_project
from headrace.commands.recipes import find_recipes, find_shipped
from headrace.config import read_params
from headrace.errors import ConfigError, DataError, choices
from headrace.paths import Paths
from headrace.settings.load import load_settings


def create_project(shown: Path, recipe: str | None) -> list[str]:
    """Creates a project in folder `shown`, completely or not at all; returns lines that describe the next steps.

    Raises:
        ConfigError: There is no such recipe, or its settings are invalid.
        DataError: The path cannot be used: it is not empty, not a folder, or ignored by git.
    """
    params_path = _params_path(recipe)
    source = find_local_source(read_params(params_path))
    folder = Path(os.path.abspath(shown))  # noqa: PTH100 - resolve() would follow a link
    _check_empty(folder, shown)
    existing = next(place for place in (folder, *folder.parents) if place.is_dir())
    has_git = shutil.which("git") is not None
    is_in_git = has_git and _git(existing, "rev-parse", "--is-inside-work-tree")
    if is_in_git and _git(existing, "check-ignore", "--quiet", str(folder)):
        raise DataError(
            f"{shown}: is ignored by the git repository around it, which DVC refuses; choose another folder"
        )
    with TemporaryDirectory(prefix=".headrace-init-", dir=existing) as aside:
        project = Path(aside) / "project"
        project.mkdir()
        if has_git and not is_in_git and not _git(project, "init", "--quiet"):
            raise DataError("git init: failed; run it by hand to see why, or choose another folder")
        write_project(project, params_path, has_git=has_git)
        load_settings(Paths(project))
        _move(project, folder, shown)
    return _next_lines(shown, source, has_git=has_git)


def _params_path(recipe: str | None) -> Path:
    if recipe is None:
        return find_shipped("params.yaml")
    paths = find_recipes()
    if recipe not in paths:
        raise ConfigError(f"--recipe: {recipe!r} is not a recipe; {choices(recipe, paths)}; see: headrace recipes")
    return paths[recipe]


def _check_empty(folder: Path, shown: Path) -> None:
    try:
        if folder.is_dir():
            if any(folder.iterdir()):
                raise DataError(f"{shown}: is not empty; choose a new folder, or an empty one")
        elif os.path.lexists(folder):
            raise DataError(f"{shown}: exists and is not a folder; choose another name")
    except OSError as error:  # a name that is too long, a folder without read permission
        raise DataError(f"{shown}: cannot be created ({error.strerror}); choose another folder") from None


def _git(folder: Path, *arguments: str) -> bool:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _move(project: Path, folder: Path, shown: Path) -> None:
    """Moves the project to its place; into an existing folder entry by entry, since it may be a shell's current one."""
    moved: list[Path] = []
    try:
        if folder.is_dir():
            for entry in sorted(project.iterdir()):
                moved.append(entry.rename(folder / entry.name))  # noqa: PERF401 - undone if a later one fails
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
            project.rename(folder)
    except BaseException as error:
        for path in moved:
            path.rename(project / path.name)
        if isinstance(error, OSError):
            raise DataError(f"{shown}: cannot be created ({error.strerror}); choose another folder") from None
        raise


def _next_lines(shown: Path, source: str, *, has_git: bool) -> list[str]:
    is_here = shown == Path()
    lines = [f"{Path.cwd() if is_here else shown}: project created; next:"]
    if not is_here:
        lines.append(f"  cd {shlex.quote(str(shown))}")
    if source:
        lines.append(f"  put the data where params.yaml expects them, {source}: its first lines say where to get them")
    lines += ["  dvc repro          run the pipeline", "  headrace status    show the results"]
    if not has_git:
        return [*lines, "git is not installed: the pipeline runs without it, but models do not record a commit"]
    return [*lines, "  git add . && git commit -m 'A new project'    models record their commit"]
