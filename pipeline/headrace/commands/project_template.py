"""The files of a project: those in `template/`, and what `init` and `upgrade` add to them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from headrace import __version__
from headrace.commands.recipes import TEMPLATE_DIR, find_shipped
from headrace.config import read_params
from headrace.data.datasets import BUILT_INS
from headrace.errors import ConfigError
from headrace.fingerprint.stage_code import hash_stages, open_cache
from headrace.paths import OUTS, Paths
from headrace.stages import STAGES
from headrace.storage.atomic import write_json, write_text

REQUIREMENTS = "requirements.txt"
REQUIREMENT = re.compile(r"^headrace *[=<>!~].*$|^headrace$", re.MULTILINE)
REQUIREMENTS_HEAD = (
    "# what runs this project, with the versions that it was made with; on a cluster too.\n"
    "# If no index has headrace, the path or URL of its wheel"
)
GLOB = re.compile(r"[*?[]")
SOURCE_DEP = "${ingest.source}"
"""DVC's notation for the value in params.yaml, so that the dep follows an edit of it."""


def write_project(project: Path, params_path: Path, *, has_git: bool) -> None:
    """Writes the files of a project with these settings into the empty folder `project`."""
    source = find_local_source(read_params(params_path))
    shutil.copytree(TEMPLATE_DIR, project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("recipes", "__pycache__"))
    shutil.copyfile(params_path, project / "params.yaml")
    shutil.copytree(find_shipped("cluster"), project / "cluster", dirs_exist_ok=True)
    deps = find_source_deps(source)
    if deps:
        text = read_template("dvc.yaml")
        write_text(project / "dvc.yaml", merge_dvc_yaml(text, {"stages": {"ingest": {"deps": deps}}}))
    write_text(project / REQUIREMENTS, pin_version(""))
    if not has_git:
        with (project / ".dvc" / "config").open("a", encoding="utf-8") as config:
            config.write("    no_scm = True\n")
    paths = Paths(project)
    write_json(paths.code_path, hash_stages(STAGES, open_cache(paths)))


def read_template(name: str) -> str:
    """Returns the text of a file of the template."""
    return (TEMPLATE_DIR / name).read_text(encoding="utf-8")


def pin_version(requirements: str) -> str:
    """Returns requirements with the exact version of headrace, in place of another one if they name one.

    Requirements that this function wrote, or none, become those of this environment.
    """
    line = f"headrace=={__version__}"
    if requirements and not requirements.startswith(REQUIREMENTS_HEAD):
        return REQUIREMENT.sub(line, requirements) if REQUIREMENT.search(requirements) else f"{requirements}{line}\n"
    return "\n".join([REQUIREMENTS_HEAD, line, *list_dependencies("headrace")]) + "\n"


def list_dependencies(package: str) -> list[str]:
    """Returns what an installed package needs, and what that needs, with the exact versions of this environment."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins, queue, seen = dict[str, str](), [Requirement(package)], set[str]()
    while queue:
        requirement = queue.pop()
        for extra in ("", *requirement.extras):
            if (key := f"{requirement.name}[{extra}]") in seen:
                continue
            seen.add(key)
            with suppress(PackageNotFoundError):
                # without the kind of build, such as +cpu
                pins[canonicalize_name(requirement.name)] = version(requirement.name).partition("+")[0]
                needed = map(Requirement, requires(requirement.name) or [])
                queue += [r for r in needed if r.marker is None or r.marker.evaluate({"extra": extra})]
    pins.pop(package, None)
    return [f"{name}=={number}" for name, number in sorted(pins.items())]


def find_local_source(params: Mapping[str, Any]) -> str:
    """Returns `ingest.source` if it is a path; empty for a built-in dataset or a URL."""
    source = str((params.get("ingest") or {}).get("source", ""))
    return "" if source in BUILT_INS or "://" in source else source


def find_source_deps(source: str) -> list[str]:
    """Returns what DVC can watch of a source: the path that params.yaml names, or the folder before a pattern."""
    if not source or source.startswith("~"):  # DVC does not expand it
        return []
    parts = Path(source).parts
    num_plain = next((index for index, part in enumerate(parts) if GLOB.search(part)), len(parts))
    if num_plain == len(parts):
        return [SOURCE_DEP]
    folder = Path(*parts[:num_plain])
    return [str(folder)] if folder not in (Path(), Path("/")) else []


def parse_dvc_yaml(text: str) -> Any:
    """Returns the document of a `dvc.yaml`, with its comments; raises ConfigError if it is none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML().load(text)
    except YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigError(
            f"dvc.yaml: not YAML: {problem}; fix it, or remove it: git has its earlier versions"
        ) from None
    stages = document.get("stages") if isinstance(document, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise ConfigError("dvc.yaml: has no mapping 'stages'; this is not a project of headrace: see headrace init")
    return document


def add_dep(text: str, stage: str, dep: str) -> str:
    """Returns a `dvc.yaml` in which a stage has one more dep; the same text if it has it, or there is no such stage."""
    document = parse_dvc_yaml(text)
    entry = document["stages"].get(stage)
    if entry is None or dep in entry.get("deps", []):
        return text
    if "deps" in entry:
        entry["deps"].append(dep)
    else:
        entry["deps"] = [dep]
    return _dump_yaml(document)


def merge_dvc_yaml(template: str, own: Mapping[str, Any]) -> str:
    """Returns the template with what only the document `own` has: stages, their deps, plots, metrics, sections."""
    document = parse_dvc_yaml(template)
    changed = False
    for name, stage in own.get("stages", {}).items():
        if name not in document["stages"]:
            document["stages"][name] = stage
            changed = True
            continue
        theirs = document["stages"][name]
        extra = [dep for dep in stage.get("deps") or [] if _is_own_dep(dep) and dep not in theirs.get("deps", [])]
        if extra and "deps" in theirs:
            theirs["deps"] = [*theirs["deps"], *extra]
        elif extra:
            theirs.insert(list(theirs).index("params"), "deps", extra)
        changed |= bool(extra)
    plots = {key for plot in document["plots"] for key in plot}
    extra_plots = [plot for plot in own.get("plots", []) if not (isinstance(plot, dict) and plots & plot.keys())]
    extra_metrics = [metric for metric in own.get("metrics", []) if metric not in document["metrics"]]
    sections = {key: value for key, value in own.items() if key not in document}
    if not (changed or extra_plots or extra_metrics or sections):
        return template
    document["plots"].extend(extra_plots)
    document["metrics"].extend(extra_metrics)
    document.update(sections)
    return _dump_yaml(document)


def _dump_yaml(document: Any) -> str:
    from ruamel.yaml import YAML

    yaml, text = YAML(), StringIO()
    yaml.width = 4096
    yaml.dump(document, text)
    return text.getvalue()


def _is_own_dep(dep: object) -> bool:
    """Whether the user added it: other versions have source files, a lock file or other results of stages as deps."""
    results = ("metrics", *(out for outs in OUTS.values() for out in outs))
    is_result = isinstance(dep, str) and any(dep == result or dep.startswith(f"{result}/") for result in results)
    is_code = isinstance(dep, str) and (dep.startswith("pipeline/headrace") or dep == "requirements.lock")
    return not is_result and not is_code
