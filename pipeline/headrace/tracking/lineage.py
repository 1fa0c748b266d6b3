"""The origin of a model: hashes of the data, commit and environment."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from headrace.contracts import Json
from headrace.fingerprint.model_code import find_model_modules, hash_model_code
from headrace.fingerprint.stage_code import combine_digests, hash_stages, open_cache
from headrace.paths import Paths

PACKAGES = ("headrace", "torch", "pytorch-lightning", "ray", "mlflow", "dvc", "albumentations", "onnxruntime", "numpy")
COMMIT_VARIABLE, DIRTY_VARIABLE = "HEADRACE_GIT_COMMIT", "HEADRACE_GIT_DIRTY"
"""Name the commit of a project that was uploaded without its .git, and are 1 if its files differed from it."""
DATA = {"raw": "data/raw", "normalized": "data/normalized"}


def collect_lineage(paths: Paths, stage: str, models: Iterable[Json]) -> Json:
    """Returns the hashes of code and data, the commit, whether the work tree differs from it, and package versions.

    `code` is the fingerprint of `stage`, as in `code.json`; with `models` (settings with a `name`) of the user's own,
    also of theirs, and `model_code` has the digest of each of their modules.
    """
    commit, is_dirty = read_git_commit(paths.root)
    code = hash_stages([stage], open_cache(paths))[stage]
    model_code = hash_model_code(find_model_modules({"train": {"model": list(models)}}), paths)
    return {
        "code": combine_digests({stage: code, **model_code}) if model_code else code,
        "model_code": model_code,
        "data": read_data_hashes(paths.root),
        "git_commit": commit,
        "git_dirty": is_dirty,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: installed for name in PACKAGES if (installed := _version(name))},
    }


def read_data_hashes(root: Path) -> dict[str, str]:
    """Returns DVC's MD5 of each data folder from `dvc.lock`; empty for stages that DVC has not run."""
    from ruamel.yaml import YAML

    lock_path = root / "dvc.lock"
    lock = (YAML(typ="safe", pure=True).load(lock_path) if lock_path.is_file() else None) or {}
    outs = [out for stage in (lock.get("stages") or {}).values() for out in stage.get("outs", [])]
    by_path = {out["path"]: out.get("md5", "") for out in outs}
    return {name: by_path.get(path, "") for name, path in DATA.items()}


def read_git_commit(root: Path) -> tuple[str, bool]:
    """Returns the project's commit and whether tracked files differ from it; ("", False) if the commit is unknown.

    For a submitted project, both are those of the place that it was submitted from.
    """
    if DIRTY_VARIABLE in os.environ:
        return os.environ.get(COMMIT_VARIABLE, ""), os.environ[DIRTY_VARIABLE] == "1"
    commit = _git(root, "rev-parse", "HEAD") or os.environ.get(COMMIT_VARIABLE, "")
    # `dvc repro` changes dvc.lock after each stage
    return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude)dvc.lock"))


def _git(root: Path, *arguments: str) -> str:
    try:
        process = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip() if process.returncode == 0 else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
