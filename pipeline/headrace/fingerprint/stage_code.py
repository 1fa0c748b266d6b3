"""`code.json`: the fingerprint of each stage, which `dvc.yaml` names as a parameter of the stage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from headrace.errors import DataError
from headrace.fingerprint.closure import find_closure, find_in_folder
from headrace.fingerprint.syntax import SourceCache, hash_folder
from headrace.paths import Paths

PACKAGE = "headrace"
PACKAGE_DIR = Path(__file__).resolve().parents[1]
COPIED: dict[str, tuple[str, ...]] = {
    "headrace.tracking.serving_package": (
        "headrace.tracking.served.served_model",
        "headrace.tracking.served.verified_files",
        "headrace.data.request_rows",
        "headrace.tracking.served.predictor",
        "headrace.tracking.served.scoring_requests",
        "headrace.data.sources.image_formats",
        "headrace.data.image.open_image",
        "headrace.data.image.deep_values",
        "headrace.data.image.value_range",
        "headrace.data.image.resize",
        "headrace.data.image.decode",
        "headrace.data.image.serving",
        "headrace.data.text.repair",
        "headrace.data.text.token_ids",
        "headrace.data.text.serving",
        "headrace.data.table.number_format",
        "headrace.data.table.parsing",
        "headrace.data.table.encoding.encode",
        "headrace.data.table.encoding.serving",
    ),
}
"""Module -> modules whose source it copies into the served model without importing them."""
READ_FOLDERS = {"headrace.html_page": PACKAGE_DIR / "templates"}
"""Module -> the folder of the package that it reads."""


def open_cache(paths: Paths) -> SourceCache:
    """Returns the cache of the project."""
    return SourceCache(paths.state_dir / "syntax.json")


def hash_stages(stages: Iterable[str], cache: SourceCache) -> dict[str, str]:
    """Returns the fingerprint of each stage: the SHA-256 of its import closure within the package.

    The package's own `__init__.py`, which holds the version, belongs to no stage.
    """
    hashes = {stage: hash_module(f"{PACKAGE}.stages.{stage}", cache) for stage in stages}
    cache.save()
    return hashes


def hash_module(module: str, cache: SourceCache) -> str:
    """Returns the SHA-256 of the import closure of one module of the package."""
    closure = find_closure([module], _find_file, cache, COPIED)
    digests = {name: source.digest for name, source in closure.items()}
    folders = {name: hash_folder(folder) for name, folder in READ_FOLDERS.items() if name in closure}
    return combine_digests(digests | {f"{name}/": digest for name, digest in folders.items()})


def combine_digests(digests: Mapping[str, str]) -> str:
    """Returns one SHA-256 for digests by name."""
    return hashlib.sha256("".join(f"{name} {digests[name]}\n" for name in sorted(digests)).encode()).hexdigest()


def read_code_file(paths: Paths) -> dict[str, str] | None:
    """Returns the fingerprints in `code.json`, None if there is no such file; raises DataError if it is invalid."""
    try:
        stored = json.loads(paths.code_path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{paths.code_path.name}: cannot be read ({error}); run: headrace upgrade") from None
    if not isinstance(stored, dict):
        raise DataError(f"{paths.code_path.name}: not a mapping of stages to fingerprints; run: headrace upgrade")
    return stored


def is_current(stage: str, paths: Paths) -> bool:
    """Returns whether `code.json` has the fingerprint of the code that runs now; true for a project without one."""
    stored = read_code_file(paths)
    return stored is None or stored.get(stage) == hash_stages([stage], open_cache(paths))[stage]


def _find_file(name: str) -> Path | None:
    if not name.startswith(f"{PACKAGE}."):
        return None
    return find_in_folder(PACKAGE_DIR.parent, name)
