"""The code of models outside the package (`train.model.name: my_nets:Two`): its fingerprint, and how DVC sees it.

`train` and `tune` depend on `model_code/fingerprint.json`. In a project with such a model, `model_code/dvc.yaml` has a
stage that writes this file at every `dvc repro`: which files belong to a model is known only once its imports are read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headrace.config import read_params
from headrace.fingerprint.closure import find_closure, find_in_folder
from headrace.fingerprint.stage_code import open_cache
from headrace.paths import Paths
from headrace.storage.atomic import write_json, write_text

CLASS_NAME = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_]\w*")
"""`my_package.module:Thing`."""
SECTIONS = {"train": "model", "tune": "space"}
"""Section of `params.yaml` -> its key that may name models."""
DVC_YAML = """\
# Written by headrace, because params.yaml names a model of your own. At every `dvc repro`, this stage hashes the code
# of the model (what it imports from the project, and from its own package elsewhere); tune and train depend on it.
stages:
  fingerprint:
    cmd: headrace fingerprint
    wdir: ..
    always_changed: true
    outs:
    - model_code/fingerprint.json:
        cache: false
        persist: true
"""


def update_model_code(paths: Paths) -> None:
    """Writes the fingerprint of the models that `params.yaml` names, and DVC's stage for it if there are any."""
    modules = find_model_modules(read_params(paths.params_path))
    path = paths.model_code_path
    dvc_yaml, dvc_lock = path.with_name("dvc.yaml"), path.with_name("dvc.lock")
    if modules:
        if not dvc_yaml.is_file():
            write_text(dvc_yaml, DVC_YAML)
        write_json(path, hash_model_code(modules, paths))
    elif path.is_file():  # else the project was made by a version without it
        write_json(path, {})
        for leftover in (dvc_yaml, dvc_lock):
            leftover.unlink(missing_ok=True)


def write_model_code(paths: Paths) -> None:
    """Writes only the fingerprint, as the stage of `model_code/dvc.yaml` does."""
    modules = find_model_modules(read_params(paths.params_path))
    write_json(paths.model_code_path, hash_model_code(modules, paths))


def find_model_modules(params: Mapping[str, Any]) -> set[str]:
    """Returns the modules that `train.model` and `tune.space` name: `my_nets` for `my_nets:Two`."""
    sections = [(params.get(section), key) for section, key in SECTIONS.items()]
    values = [value for given, key in sections if isinstance(given, Mapping) for value in _strings(given.get(key))]
    return {match[1] for value in values if (match := CLASS_NAME.fullmatch(value))}


def hash_model_code(modules: Iterable[str], paths: Paths) -> dict[str, str]:
    """Returns the digest of each module that these need: in the project, or else in the same top-level package."""
    packages = {name.partition(".")[0]: _find_package_folder(name.partition(".")[0], paths.root) for name in modules}
    cache = open_cache(paths)

    def find_file(name: str) -> Path | None:
        folder = packages.get(name.partition(".")[0], paths.root)
        return folder and find_in_folder(folder, name, (".py", *EXTENSION_SUFFIXES))

    closure = find_closure(modules, find_file, cache, {})
    cache.save()
    return {name: closure[name].digest for name in sorted(closure)}


def _find_package_folder(top: str, root: Path) -> Path | None:
    """Returns the folder that holds a top-level module, the project first, without importing it; None if none does."""
    if (root / top).is_dir() or (root / f"{top}.py").is_file():
        return root
    with suppress(ImportError, ValueError, AttributeError):
        spec = find_spec(top)
        if spec and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations))).parent
        if spec and spec.origin and Path(spec.origin).is_file() and top not in sys.stdlib_module_names:
            return Path(spec.origin).parent
    return None


def _strings(value: Any) -> Iterator[str]:
    """Yields all strings in nested lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
