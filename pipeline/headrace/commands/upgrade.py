"""`headrace upgrade`: brings the project in the current folder to the installed version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace import __version__
from headrace.commands.project_template import (
    REQUIREMENTS,
    merge_dvc_yaml,
    parse_dvc_yaml,
    pin_version,
    read_template,
)
from headrace.errors import DataError
from headrace.fingerprint.stage_code import PACKAGE_DIR, hash_stages, open_cache
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.atomic import write_text

LOCK = "requirements.lock"
"""The requirements of projects made by earlier versions."""
RERUN_KEYS = ("cmd", "deps", "params")
"""Keys of a stage in `dvc.yaml` whose change makes DVC run it again, as does another set of outputs."""


def upgrade_project(paths: Paths) -> list[str]:
    """Writes what is not as the installed version has it; returns lines that say what, and what runs again.

    Each file is replaced atomically, in an order in which an interruption leaves a project that works; the same
    command completes it. Raises DataError or ConfigError, without a change, if the folder is not a project.
    """
    files = plan_files(paths)
    if not files:
        return [f"nothing to do: this project is as headrace {__version__} has it"]
    reruns = _list_reruns(paths, files)
    lines = []
    for path, text in files.items():
        note = _back_up(path) if path.name == "dvc.yaml" else ""
        write_text(path, text)
        lines.append(f"{path.relative_to(paths.root)}: written{note}")
    if not reruns:
        return [*lines, "no stage runs again"]
    stages = [f"  {stage:<10} {reason}" for stage, reason in reruns.items()]
    return [*lines, "next, dvc repro runs these stages, and those after them if the outputs change:", *stages]


def check_project(paths: Paths) -> None:
    """Raises DataError if `upgrade_project` would write anything."""
    names = [path.relative_to(paths.root).as_posix() for path in plan_files(paths)]
    if names:
        raise DataError(f"{', '.join(names)}: not as headrace {__version__} has it; run: headrace upgrade")


def plan_files(paths: Paths) -> dict[Path, str]:
    """Returns the files to write with their new text; `dvc.yaml` is last, since it names the others."""
    current = _read(paths.root / "dvc.yaml")
    if not current or not paths.params_path.is_file():
        raise DataError(
            f"{paths.root}: not a project: it has no dvc.yaml or no params.yaml; change to a project's folder, or "
            "create one: headrace init"
        )
    wanted = {paths.root / name: _add_lines(paths.root, name) for name in (".gitignore", ".dvcignore")}
    if not _is_clone(paths):
        names = [REQUIREMENTS, *([LOCK] if (paths.root / LOCK).is_file() else [])]
        wanted |= {paths.root / name: pin_version(_read(paths.root / name)) for name in names}
    if not paths.model_code_path.is_file():
        wanted[paths.model_code_path] = read_template("model_code/fingerprint.json")
    wanted[paths.code_path] = json.dumps(hash_stages(STAGES, open_cache(paths)), indent=2) + "\n"
    wanted[paths.root / "dvc.yaml"] = merge_dvc_yaml(read_template("dvc.yaml"), parse_dvc_yaml(current))
    return {path: text for path, text in wanted.items() if _read(path) != text}


def _is_clone(paths: Paths) -> bool:
    """Whether the project is the source tree of the package itself, which needs no requirement of the package."""
    return PACKAGE_DIR.is_relative_to(paths.root)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _add_lines(root: Path, name: str) -> str:
    """Returns the project's file with the lines of the template's that it lacks."""
    current, template = _read(root / name), read_template(name)
    if not current:
        return template
    present = {line.strip().rstrip("/") for line in current.splitlines()}
    missing = [
        line for line in template.splitlines() if not line.startswith("#") and line.strip().rstrip("/") not in present
    ]
    end = "" if current.endswith("\n") or not missing else "\n"
    return current + end + "".join(f"{line}\n" for line in missing)


def _back_up(path: Path) -> str:
    """Copies `path` beside itself under a name that is free; returns what to say of it."""
    number = 1
    while (copy := path.with_name(f"{path.name}.bak{number if number > 1 else ''}")).exists():
        number += 1
    write_text(copy, _read(path))
    return f" (yours is in {copy.name}; your own stages, deps and plots are in both)"


def _list_reruns(paths: Paths, files: Mapping[Path, str]) -> dict[str, str]:
    """Returns stage -> why it runs again."""
    dvc_yaml = paths.root / "dvc.yaml"
    before = parse_dvc_yaml(_read(dvc_yaml))["stages"]
    after = parse_dvc_yaml(files.get(dvc_yaml) or _read(dvc_yaml))["stages"]
    old_code = _parse_json(_read(paths.code_path))
    new_code = _parse_json(files.get(paths.code_path) or _read(paths.code_path))
    reasons = {}
    for stage in STAGES:
        if stage not in before:
            reasons[stage] = "new"
        elif stage not in old_code:
            reasons[stage] = "its code has no fingerprint yet"
        elif old_code[stage] != new_code[stage]:
            reasons[stage] = "its code changed"
        elif _list_rerun_values(before[stage]) != _list_rerun_values(after[stage]):
            reasons[stage] = "its entry in dvc.yaml changed"
    return reasons


def _list_rerun_values(stage: Mapping[str, Any]) -> list[Any]:
    """Returns what DVC compares; to it, a metrics file is an output like others."""
    outputs = {str(out) for key in ("outs", "metrics") for out in stage.get(key) or []}
    return [sorted(outputs), *(stage.get(key) for key in RERUN_KEYS)]


def _parse_json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
