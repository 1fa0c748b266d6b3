"""The files of a new project: the settings of a recipe, and stages that run the installed headrace."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from headrace import __version__
from headrace.commands.recipes import find_template_dir
from headrace.config import read_params
from headrace.data.datasets import BUILT_INS
from headrace.paths import OUTS
from headrace.storage.atomic import write_text

LOCK = "requirements.lock"
GENERATED = sorted({"metrics", *(out.partition("/")[0] for outs in OUTS.values() for out in outs)})
GITIGNORE = [
    "# written by the pipeline; DVC caches the outs of stages",
    *(f"/{name}" for name in [*GENERATED, "mlflow.db*", "mlartifacts", ".headrace", "dvc_plots"]),
    "# written by tools",
    *(".venv/", "__pycache__/", "*.tmp"),
]
LOCK_END = ["# this package; if no index has it, the path or URL of its wheel", f"headrace=={__version__}"]
DVC_HEADER = [
    f"# The order of the stages. All of them depend on {LOCK}: after an update of headrace, write its version",
    "# there, and `dvc repro` runs them again.",
]
DVC_CONFIG = ["[core]", "    analytics = false", "    check_update = false"]
DVC_IGNORED = ["/config.local", "/tmp", "/cache"]  # noqa: S108 - in .dvc, not the machine's
GLOB = re.compile(r"[*?[]")


def write_project(project: Path, params_path: Path, *, has_git: bool) -> None:
    """Writes the files of a project with these settings into the empty folder `project`."""
    template = find_template_dir()
    source = find_local_source(read_params(params_path))
    shutil.copyfile(params_path, project / "params.yaml")
    shutil.copyfile(template / ".dvcignore", project / ".dvcignore")
    shutil.copytree(template / "cluster", project / "cluster", ignore=shutil.ignore_patterns("__pycache__"))
    write_text(project / "dvc.yaml", make_dvc_yaml((template / "dvc.yaml").read_text(encoding="utf-8"), source))
    write_text(project / ".gitignore", _text(GITIGNORE))
    write_text(project / LOCK, (template / LOCK).read_text(encoding="utf-8") + _text(LOCK_END))
    # as `dvc init` writes them, which would also add them to the index of a git repository around the project
    write_text(project / ".dvc" / "config", _text([*DVC_CONFIG, *([] if has_git else ["    no_scm = True"])]))
    write_text(project / ".dvc" / ".gitignore", _text(DVC_IGNORED))


def find_local_source(params: Mapping[str, Any]) -> str:
    """Returns `ingest.source` if it is a path; empty for a built-in dataset or a URL."""
    source = str((params.get("ingest") or {}).get("source", ""))
    return "" if source in BUILT_INS or "://" in source else source


def make_dvc_yaml(template: str, source: str) -> str:
    """Returns `dvc.yaml` for a project that uses the installed package.

    Deps on source files are replaced by the lock file, and `python -m headrace` by `headrace`. A relative `source` is a
    dep of ingest.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 120
    document = yaml.load(template)
    for name, stage in document["stages"].items():
        stage["cmd"] = f"headrace {name}"
        deps = [dep for dep in stage["deps"] if not dep.startswith("pipeline/")]
        stage["deps"] = [*(_source_deps(source) if name == "ingest" else []), *deps, LOCK]
    text = StringIO()
    yaml.dump({"stages": document["stages"], "plots": document["plots"]}, text)
    return _text(DVC_HEADER) + text.getvalue()


def _source_deps(source: str) -> list[str]:
    """What DVC can watch of a source: a relative path, or the folder before a pattern."""
    if not source or Path(source).is_absolute() or source.startswith("~"):
        return []
    parts = Path(source).parts
    num_plain = next((index for index, part in enumerate(parts) if GLOB.search(part)), len(parts))
    return [str(Path(*parts[:num_plain]))] if num_plain else []


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
