"""The predictions of fitted baselines, in `.headrace/baselines/<key>`: they survive when DVC restarts a stage.

The key is a hash of the data, of the code that fits, and of the settings, so that another model, whose training changes
none of them, is compared with the same predictions.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.fingerprint.stage_code import hash_module, open_cache
from headrace.paths import Paths
from headrace.storage.atomic import atomic_file, write_json

logger = logging.getLogger(__name__)
FITTING_MODULE = "headrace.evaluation.baselines.fit"
SPLITS = ("val", "test")
SKIPPED = "skipped.json"


class FittedBaseline(NamedTuple):
    """What a baseline predicts."""

    outputs: dict[str, NDArray[np.float32]]
    """Split -> `[rows, outputs]`, as a network's."""
    fit_seconds: float
    num_rows: int
    """Train rows that it was fitted to."""


def find_folder(paths: Paths, max_rows: int) -> Path:
    """Returns the folder of the predictions for the data, the code and the limit of train rows."""
    digest = hashlib.sha256()
    parts = [hash_module(FITTING_MODULE, open_cache(paths)), version("scikit-learn"), max_rows]
    digest.update(json.dumps(parts).encode())
    for path in sorted(path for path in paths.normalized_dir.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(paths.normalized_dir).as_posix()} {content}\n".encode())
    return paths.state_dir / "baselines" / digest.hexdigest()[:16]


def write_fitted(folder: Path, name: str, fitted: FittedBaseline) -> None:
    """Writes the predictions atomically."""
    with atomic_file(folder / f"{name}.npz") as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = {"fit_seconds": fitted.fit_seconds, "num_rows": fitted.num_rows, **fitted.outputs}
        np.savez(file, **arrays)


def read_fitted(folder: Path, name: str) -> FittedBaseline | None:
    """Reads the predictions; None if there are none, or with a warning if the file is damaged."""
    path = folder / f"{name}.npz"
    try:
        # opened here: np.load leaves the file of a damaged archive open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            outputs = {split: arrays[split] for split in SPLITS}
            return FittedBaseline(outputs, float(arrays["fit_seconds"]), int(arrays["num_rows"]))
    except FileNotFoundError:
        return None
    except (BadZipFile, ValueError, KeyError, EOFError, OSError) as error:
        logger.warning("%s: damaged (%s); the baseline is fitted again", path, " ".join(str(error).split()))
        path.unlink(missing_ok=True)
        return None


def read_skipped(folder: Path) -> dict[str, Json]:
    """Short name of a baseline -> `why` it was not fitted, and the limit of `seconds` that it had."""
    try:
        skipped = json.loads((folder / SKIPPED).read_bytes())
    except (OSError, ValueError):  # missing or damaged: fitted, or skipped again
        return {}
    return skipped if isinstance(skipped, dict) else {}


def write_skipped(folder: Path, name: str, why: str, seconds: float) -> None:
    """Records that a baseline was not fitted within a limit."""
    write_json(folder / SKIPPED, read_skipped(folder) | {name: {"why": why, "seconds": seconds}})


def remove_others(folder: Path) -> None:
    """Removes the predictions for other data, code and settings."""
    for other in folder.parent.glob("*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
