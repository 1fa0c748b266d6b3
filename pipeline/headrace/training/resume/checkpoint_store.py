"""The checkpoints of a training on disk: one folder each, complete or absent, with the checksums of its files.

`.headrace/train/<id>/checkpoints/step-0000000120/` holds `state.ckpt` (network, optimizer, schedule, callbacks,
position, random generators), `weights.safetensors` (the weights to export so far, if an epoch has ended) and
`manifest.json`, which is written last.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from headrace.contracts import Json
from headrace.storage.atomic import atomic_file
from headrace.storage.bundle import WEIGHTS
from headrace.storage.checksums import hash_file

logger = logging.getLogger(__name__)
FORMAT = 1
FOLDER, STATE, MANIFEST = "checkpoints", "state.ckpt", "manifest.json"
LINK = "weights.now"
PREFIX, DAMAGED, TEMPORARY = "step-", "damaged-", "writing-"


@dataclass(frozen=True)
class Position:
    """How far a training has come."""

    epoch: int
    """The epoch in which it goes on, from 0."""
    batch: int
    """Batches of that epoch that are done."""
    step: int
    """Optimizer steps since the start."""

    def describe(self, num_epochs: int) -> str:
        """Returns the place in words, such as `in epoch 3 of 12, after step 25`."""
        if self.batch:
            return f"in epoch {self.epoch + 1} of {num_epochs}, after step {self.step}"
        return f"after epoch {self.epoch} of {num_epochs}, step {self.step}"


def list_checkpoints(work_dir: Path) -> list[Path]:
    """Returns the folders of the checkpoints, the newest first; none of them is checked."""
    return sorted((work_dir / FOLDER).glob(f"{PREFIX}*"), reverse=True)


def find_checkpoint(work_dir: Path) -> Position | None:
    """Returns the position of the newest intact checkpoint, or None if the training starts from the beginning.

    Damaged ones, such as empty files after a power cut, are set aside, each with one line.
    """
    position, damages = None, []
    for folder in list_checkpoints(work_dir):
        try:
            position = _verify(folder)
            break
        except (OSError, ValueError, KeyError, TypeError) as error:
            damages.append((folder, str(error).splitlines()[0]))
    goes_on = f"goes on from step {position.step}" if position else "starts from the beginning"
    for folder, reason in damages:
        aside = _set_aside(folder)
        logger.warning("%s: damaged (%s), now %s; the training %s", folder, reason, aside.name, goes_on)
    return position


def remove_checkpoints(work_dir: Path) -> None:
    """Removes everything from which a training could go on, and its result."""
    shutil.rmtree(work_dir / FOLDER, ignore_errors=True)
    for name in (WEIGHTS, "fit.json"):
        (work_dir / name).unlink(missing_ok=True)


def read_position(folder: Path) -> Position:
    """Returns the position of a checkpoint; raises ValueError, KeyError or TypeError for an invalid manifest."""
    manifest: Json = json.loads((folder / MANIFEST).read_bytes())
    if manifest["format"] != FORMAT:
        raise ValueError(f"{MANIFEST} has format {manifest['format']}, and this version reads {FORMAT}")
    return Position(**manifest["position"])


def _verify(folder: Path) -> Position:
    position = read_position(folder)
    for name, wanted in json.loads((folder / MANIFEST).read_bytes())["files"].items():
        if _describe_file(folder / name) != wanted:
            raise ValueError(f"{name} is not what was written")
    return position


def _set_aside(folder: Path) -> Path:
    aside = folder.with_name(f"{DAMAGED}{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    return folder.rename(aside)


def restore_weights(folder: Path, work_dir: Path) -> None:
    """Makes the weights of `work_dir` those of a checkpoint: a training that goes on may end before it saves others."""
    target = work_dir / WEIGHTS
    if not (folder / WEIGHTS).is_file():
        target.unlink(missing_ok=True)
        return
    with atomic_file(target) as temporary:
        shutil.copyfile(folder / WEIGHTS, temporary)


def start_checkpoint(work_dir: Path, position: Position) -> Path:
    """Makes the temporary folder of a checkpoint, with the weights as they are now; removes those of killed writers."""
    for stale in (work_dir / FOLDER).glob(f"{TEMPORARY}*"):
        shutil.rmtree(stale, ignore_errors=True)
    folder = work_dir / FOLDER / f"{TEMPORARY}{position.step}"
    folder.mkdir(parents=True)
    if (work_dir / WEIGHTS).is_file():
        _link(work_dir / WEIGHTS, folder / LINK)
    return folder


def finish_checkpoint(temporary: Path, position: Position, num_kept: int) -> Path:
    """Adds the manifest, waits until all is on the disk, renames the folder and removes the oldest; returns it."""
    if (temporary / LINK).is_file():  # a copy: a damaged block shall not damage all checkpoints
        shutil.copyfile(temporary / LINK, temporary / WEIGHTS)
        (temporary / LINK).unlink()
    files = {path.name: _describe_file(path) for path in sorted(temporary.iterdir())}
    manifest = {"format": FORMAT, "position": asdict(position), "files": files}
    (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return _publish(temporary, f"{PREFIX}{position.step:010d}", num_kept)


def store_checkpoint(work_dir: Path, name: str, files: Mapping[str, bytes], num_kept: int) -> None:
    """Adds a checkpoint of another machine, whose files are given, and removes the oldest."""
    temporary = work_dir / FOLDER / f"{TEMPORARY}{name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for file_name, content in files.items():
        (temporary / file_name).write_bytes(content)
    _publish(temporary, name, num_kept)


def _publish(temporary: Path, name: str, num_kept: int) -> Path:
    for path in [*temporary.iterdir(), temporary]:
        _sync(path)
    folder = temporary.with_name(name)
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier start, and damaged, or else this one would go on from it
    temporary.rename(folder)
    _sync(folder.parent)
    for old in list_checkpoints(folder.parents[1])[num_kept:]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def _describe_file(path: Path) -> Json:
    return {"bytes": path.stat().st_size, "sha256": hash_file(path)}


def _link(source: Path, target: Path) -> None:
    """Links a file that is only ever replaced, never changed; copies it where the storage has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
