"""The key of a training: what must be the same for an interrupted training to go on, and what has changed if it is not.

The state of each training is in a folder of its own, `.headrace/train/<id>`, with the id made of the key.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from headrace.contracts import Json
from headrace.paths import Paths
from headrace.storage.atomic import write_json

KEY = "key.json"
NOT_IN_KEY = frozenset({"checkpoint"})
"""Keys of `train` that change nothing in the weights."""


def make_key(lineage: Json, settings: Json, spec: Json, transform: Json) -> Json:
    """Returns the key in three parts: `code`, `data` and `settings`, each with values that can be compared."""
    data = lineage["data"] | {"spec.json": _hash(spec), "transform.json": _hash(transform)}
    settings = {name: value for name, value in settings.items() if name not in NOT_IN_KEY}
    return {"code": {"headrace": lineage["code"], **lineage["model_code"]}, "data": data, "settings": settings}


def make_id(key: Json) -> str:
    """Returns the id of a training."""
    return _hash(key)[:16]


def open_state(paths: Paths, training_id: str, key: Json) -> tuple[Path, str]:
    """Returns the folder of a training's state, made if there is none yet, and why it does not resume, or "".

    The reason compares the training with the newest that was interrupted.
    """
    folder = paths.state_dir / "train" / training_id
    files = _stat_files(paths.normalized_dir)
    reason = ""
    if not folder.is_dir():
        interrupted = find_interrupted(paths)
        reason = describe_changes(interrupted, key) if interrupted else ""
    elif (saved := _read(folder / KEY)).get("files") != files:  # DVC's hash of the data is that of the last `dvc repro`
        reason = ("data" if saved else f"{KEY}, which is damaged") if (folder / KEY).is_file() else ""
        shutil.rmtree(folder)
        shutil.rmtree(paths.state_dir / "ray" / training_id, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / KEY, {**key, "files": files})
    return folder, reason


def find_interrupted(paths: Paths) -> Json | None:
    """Returns the key of the training that was interrupted last, or None; states of earlier versions have no key."""
    keys = sorted((paths.state_dir / "train").glob(f"*/{KEY}"), key=lambda path: path.stat().st_mtime)
    return _read(keys[-1]) or None if keys else None


def describe_changes(before: Json, now: Json) -> str:
    """Returns what differs, such as `code (my_nets), settings (model.width, batch_size)`."""
    clauses = []
    for part in ("code", "data", "settings"):
        old, new = (dict(_flatten(key.get(part, {}))) for key in (before, now))
        names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
        if part == "code" and len(names) > 1:  # that of headrace covers the others
            names.remove("headrace")
        if names:
            clauses.append(f"{part} ({', '.join(names)})")
    return ", ".join(clauses)


def remove_states(paths: Paths) -> None:
    """Removes the states of all trainings: the one that has finished, and interrupted ones that it replaces."""
    for state in (paths.state_dir / "train").glob("*"):
        shutil.rmtree(paths.state_dir / "ray" / state.name, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)


def _hash(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _stat_files(folder: Path) -> dict[str, list[int]]:
    """Size and modification time of each file."""
    status = {path.relative_to(folder).as_posix(): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {name: [status[name].st_size, status[name].st_mtime_ns] for name in sorted(status)}


def _read(path: Path) -> Json:
    with suppress(OSError, ValueError):
        value = json.loads(path.read_bytes())
        return value if isinstance(value, dict) else {}
    return {}


def _flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{name}.")
        else:
            pairs.append((prefix + name, value))
    return pairs
