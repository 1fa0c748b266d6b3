"""A training without shared storage: workers get rows from the caller's node, and send the training's files there.

A worker asks for the rows of its share of each batch, some batches ahead, and stores none of them: a node reads as many
rows as it trains on, and its disk may be smaller than the data.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.storage.arrays import Arrays, open_arrays
from headrace.storage.atomic import atomic_file
from headrace.training.fit import FitJob, load_privacy_key
from headrace.training.resume.checkpoint_store import list_checkpoints, store_checkpoint
from headrace.training.resume.stop_requests import FileStop
from headrace.training.sampling.batch_order import WorkerShare

NUM_AHEAD = 16
"""Batches that a worker has requested before it needs them."""
SECONDS_BETWEEN_QUESTIONS = 1.0
"""To the caller, whether the training shall stop."""
TARGETS = "targets.npy"
SPLITS = ("train", "val")


class CallerFiles:
    """The part of the caller's actor that reads `data/normalized`, and reads and writes the training's work folder."""

    def __init__(self, job: Json) -> None:
        """`job`: of `FitJob.to_json`."""
        self._job = FitJob.from_json(job)
        self._splits: dict[str, Arrays] = {}

    def stat_files(self) -> dict[str, tuple[int, int]]:
        """Returns size and time of change of each file of the rows; see `stat_files`."""
        return stat_files(self._job.normalized_dir)

    def read_small_files(self) -> dict[str, bytes]:
        """Returns the files of `data/normalized` that describe the rows, and the targets."""
        folder = self._job.normalized_dir
        paths = [path for path in folder.iterdir() if path.is_file()]
        paths += [folder / split / TARGETS for split in SPLITS]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

    def gather(self, split: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Returns the inputs of rows."""
        if split not in self._splits:
            self._splits[split] = open_arrays(self._job.normalized_dir / split)
        return np.asarray(self._splits[split].inputs[rows])

    def read_work_files(self) -> dict[str, bytes]:
        """Returns the files from which a training is resumed, and the one key of all workers of a private one."""
        load_privacy_key(self._job.settings, self._job.work_dir)
        folder = self._job.work_dir
        paths = [path for path in folder.iterdir() if path.is_file() and path.name != FileStop.NAME]
        paths += [path for checkpoint in list_checkpoints(folder) for path in checkpoint.iterdir()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

    def write_work_file(self, name: str, content: bytes) -> None:
        """Replaces a file of the work folder."""
        with atomic_file(self._job.work_dir / name) as aside:
            aside.write_bytes(content)

    def write_checkpoint(self, name: str, files: dict[str, bytes]) -> None:
        """Adds a checkpoint to the work folder, whole or not at all."""
        store_checkpoint(self._job.work_dir, name, files, self._job.settings.checkpoint.keep)

    def wants_stop(self) -> bool:
        """Returns whether the caller asks the workers to save their state and end."""
        return (self._job.work_dir / FileStop.NAME).exists()


def stat_files(normalized_dir: Path) -> dict[str, tuple[int, int]]:
    """Returns size and time of change (ns) of each file of the rows: equal for one folder seen from two machines."""
    stats = {path: path.stat() for split in SPLITS for path in sorted((normalized_dir / split).glob("*"))}
    return {str(path.relative_to(normalized_dir)): (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


class RemoteRows:
    """Inputs of a split on the caller's node, indexed by position."""

    def __init__(self, actor: Any, split: str, num_rows: int) -> None:
        """`actor`: handle of an actor that is a CallerFiles."""
        self._actor, self._split, self._num_rows = actor, split, num_rows
        self._requested: dict[bytes, Any] = {}

    def __len__(self) -> int:
        return self._num_rows

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        import ray

        request = self._requested.pop(rows.tobytes(), None)
        if request is None:
            request = self._actor.gather.remote(self._split, rows)
        return np.array(ray.get(request))  # a copy: Ray's arrays cannot be written to

    def read_ahead(self, shares: Iterable[WorkerShare]) -> Iterator[WorkerShare]:
        """Yields the shares, with the rows of the next ones requested."""
        self._requested.clear()  # of an epoch that was cut short
        waiting: deque[WorkerShare] = deque()
        for share in shares:
            self._requested[share.rows.tobytes()] = self._actor.gather.remote(self._split, share.rows)
            waiting.append(share)
            if len(waiting) > NUM_AHEAD:
                yield waiting.popleft()
        yield from waiting


class WorkFolder:
    """A folder of this worker in the place of the caller's work folder."""

    def __init__(self, folder: Path, actor: Any) -> None:
        """Receives the files from which the training is resumed. `actor`: handle of an actor that is a CallerFiles."""
        import ray

        self.actor, self._folder = actor, folder
        for name, content in ray.get(actor.read_work_files.remote()).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        self._sent = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}

    def send_changes(self) -> None:
        """Sends the files beside the checkpoints that changed, in that order; returns when all are there."""
        import ray

        paths = [path for path in self._folder.iterdir() if path.is_file() and path.name != FileStop.NAME]
        for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
            if path.suffix != ".tmp" and self._sent.get(path.name) != path.stat().st_mtime_ns:
                ray.get(self.actor.write_work_file.remote(path.name, path.read_bytes()))
                self._sent[path.name] = path.stat().st_mtime_ns

    def send_checkpoint(self, checkpoint: Path) -> None:
        """Sends a new checkpoint; returns when it is there."""
        import ray

        files = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
        ray.get(self.actor.write_checkpoint.remote(checkpoint.name, files))

    @contextmanager
    def follow_stop_requests(self) -> Iterator[None]:
        """Has the caller's request to stop in this folder too, while the block runs."""
        import ray

        ended = threading.Event()

        def follow() -> None:
            with suppress(ray.exceptions.RayError):  # the caller has ended, and Ray ends this process
                while not ended.wait(SECONDS_BETWEEN_QUESTIONS):
                    if ray.get(self.actor.wants_stop.remote()):
                        (self._folder / FileStop.NAME).touch()
                        return

        thread = threading.Thread(target=follow, name="stop", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@dataclass(frozen=True)
class LocalJob:
    """A training as a worker sees it, and how it reads and writes."""

    job: FitJob
    work_folder: WorkFolder | None = None
    """None: on shared storage."""

    def open_split(self, folder: Path) -> Arrays:
        """Opens a split of `data/normalized`."""
        if self.work_folder is None:
            return open_arrays(folder)
        targets = np.load(folder / TARGETS, allow_pickle=False)
        inputs = RemoteRows(self.work_folder.actor, folder.name, len(targets))
        return Arrays(inputs, targets, np.empty(0, "S32"))


@contextmanager
def enter_job(job: FitJob, actor: Any) -> Iterator[LocalJob]:
    """Yields the job as it is where this worker sees the caller's files, otherwise with folders of this worker."""
    import ray

    if stat_files(job.normalized_dir) == ray.get(actor.stat_files.remote()):
        yield LocalJob(job)
        return
    with TemporaryDirectory(prefix="headrace-") as name:
        normalized_dir, work_dir = Path(name, "normalized"), Path(name, "work")
        work_dir.mkdir()
        for path, content in ray.get(actor.read_small_files.remote()).items():
            (normalized_dir / path).parent.mkdir(parents=True, exist_ok=True)
            (normalized_dir / path).write_bytes(content)
        moved = replace(job, normalized_dir=normalized_dir, work_dir=work_dir)
        work_folder = WorkFolder(work_dir, actor)
        with work_folder.follow_stop_requests():
            yield LocalJob(moved, work_folder)
