"""`headrace init`: creates a project that `dvc repro` can run at once, in a new or empty folder."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.commands.project_template import find_local_source, write_project
from headrace.commands.recipes import find_recipes, find_shipped
from headrace.config import read_params
from headrace.data.datasets import BUILT_INS
from headrace.errors import ConfigError, DataError, choices
from headrace.paths import Paths
from headrace.settings.load import check_data_kind, load_settings
from headrace.storage.atomic import write_text

NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def create_project(
    shown: Path, recipe: str | None, source: str | None = None, targets: list[str] | None = None
) -> list[str]:
    """Creates a project in folder `shown`, completely or not at all; returns lines that describe the next steps.

    Args:
        shown: A new or empty folder, as the user wrote it; it may hold `source`.
        recipe: The name of the settings; None: those of the sample, or guessed from `source`.
        source: A path from the current folder, a URL or a built-in dataset, whose first rows are read.
        targets: The columns of `source` to predict; empty: guessed.

    Raises:
        ConfigError: There is no such recipe, its settings are invalid, or options contradict each other.
        DataError: The path cannot be used: it is not empty, not a folder, or ignored by git; or the source cannot.
    """
    folder = Path(os.path.abspath(shown))  # noqa: PTH100 - resolve() would follow a link
    _check_options(recipe, source, targets)
    own_source = "" if source is None else _resolve_source(source, folder)
    params_path = _params_path(recipe)
    awaited = "" if source is not None else find_local_source(read_params(params_path))
    _check_empty(folder, shown, own_source)
    existing = next(place for place in (folder, *folder.parents) if place.is_dir())
    has_git = shutil.which("git") is not None
    is_in_git = has_git and _git(existing, "rev-parse", "--is-inside-work-tree")
    if is_in_git and _git(existing, "check-ignore", "--quiet", str(folder)):
        raise DataError(
            f"{shown}: is ignored by the git repository around it, which DVC refuses; choose another folder"
        )
    guesses: list[str] = []
    with TemporaryDirectory(prefix=".headrace-init-", dir=existing) as aside:
        project = Path(aside) / "project"
        project.mkdir()
        if has_git and not is_in_git and not _git(project, "init", "--quiet"):
            raise DataError("git init: failed; run it by hand to see why, or choose another folder")
        if source is not None:
            params_path, guesses = _write_guessed_params(project, folder, own_source, targets or [])
        write_project(project, params_path, has_git=has_git)
        load_settings(Paths(project))
        _move(project, folder, shown)
    return [*_next_lines(shown, awaited, has_git=has_git), *guesses, *_source_lines(own_source)]


def _check_options(recipe: str | None, source: str | None, targets: list[str] | None) -> None:
    if recipe is not None and source is not None:
        raise ConfigError(f"--recipe: got {recipe!r}, and --source {source!r}, whose settings are guessed; give one")
    if targets and source is None:
        raise ConfigError(f"--target: got {targets[0]!r} without --source; give the source that has this column")


def _resolve_source(source: str, folder: Path) -> str:
    from headrace.commands.source.inspect import resolve_source  # imports the readers

    return resolve_source(source, folder, BUILT_INS)


def _write_guessed_params(project: Path, folder: Path, source: str, targets: list[str]) -> tuple[Path, list[str]]:
    """Writes `params.yaml` aside of `project`, by the first rows of the source; returns it, and what was guessed."""
    from headrace.commands.source.inspect import inspect_source
    from headrace.commands.source.write import describe_guesses, write_params

    is_path = source not in BUILT_INS and "://" not in source
    summary = inspect_source(str(folder / source) if is_path else source, targets, Paths(project))
    path = project.with_name("params.yaml")
    name = NOT_IN_A_NAME.sub("-", folder.name).strip("-.") or "model"
    write_text(path, write_params(summary, source=source, targets=targets, name=name))
    check_data_kind(load_settings(Paths(path.parent)), summary.spec)
    return path, describe_guesses(summary, targets)


def _params_path(recipe: str | None) -> Path:
    if recipe is None:
        return find_shipped("params.yaml")
    paths = find_recipes()
    if recipe not in paths:
        raise ConfigError(f"--recipe: {recipe!r} is not a recipe; {choices(recipe, paths)}; see: headrace recipes")
    return paths[recipe]


def _check_empty(folder: Path, shown: Path, source: str) -> None:
    """Raises DataError unless the folder is new, empty, or holds nothing but the source."""
    try:
        if folder.is_dir():
            if {entry.name for entry in folder.iterdir()} - {Path(source).parts[0] if source else ""}:
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
    own = next((entry.name for entry in project.iterdir() if os.path.lexists(folder / entry.name)), None)
    if own is not None:  # that of the source, the only entry of the folder
        raise DataError(f"{shown}: a project has its own {own}; rename the data")
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


def _source_lines(source: str) -> list[str]:
    """Lines about a source whose settings were guessed; a path of params.yaml, or empty."""
    if not source:
        return []
    lines = [
        "params.yaml has what was guessed about the data, each with its reason; edit what is not right",
        "headrace contract, after the first run, proposes rules that all later data must keep",
    ]
    if Path(source).is_absolute():
        lines.append(f"the data stay in {source}; to make the project movable, copy them into it and set ingest.source")
    elif source not in BUILT_INS and "://" not in source:
        name = shlex.quote(Path(source).parts[0])
        lines.append(f"the data are part of the project; to keep large ones out of git: dvc add {name}")
    return lines
