"""Writes the state of a training in a thread, while the training goes on."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from headrace.training.resume.checkpoint_store import STATE, Position, finish_checkpoint, start_checkpoint


class CheckpointWriter(TorchCheckpointIO):
    """Lightning's checkpoint plugin (rank 0 calls it): copies the state in memory, and writes it in a thread."""

    POSITION = "position"
    """Key of the state that holds its Position."""

    def __init__(self, work_dir: Path, num_kept: int, on_written: Callable[[Path], None] | None = None) -> None:
        """`num_kept`: checkpoints that stay on disk; `on_written` gets the folder of each, in the thread."""
        self._work_dir, self._num_kept, self._on_written = work_dir, num_kept, on_written
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self.nowhere = work_dir / STATE
        """A path for Lightning, which wants one; the state goes to a folder of its own."""
        self.cpu_seconds = 0.0
        """What the thread used for the last checkpoint."""

    @property
    def is_busy(self) -> bool:
        """Whether the last checkpoint is still being written."""
        return self._thread is not None and self._thread.is_alive()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Begins to write `checkpoint` to its place in the work folder, when the one before has been written.

        Raises what went wrong with the one before, such as OSError for a full disk.
        """
        self.wait()
        state = _copy(checkpoint)
        position = Position(**state[self.POSITION])
        temporary = start_checkpoint(self._work_dir, position)
        self._thread = threading.Thread(target=self._write, args=(state, temporary, position), name="checkpoint")
        self._thread.start()

    def _write(self, state: dict[str, Any], temporary: Path, position: Position) -> None:
        try:
            content = io.BytesIO()  # torch's own writer raises RuntimeError, without an errno, for a full disk
            torch.save(state, content)
            (temporary / STATE).write_bytes(content.getbuffer())
            folder = finish_checkpoint(temporary, position, self._num_kept)
            if self._on_written is not None:
                self._on_written(folder)
            self.cpu_seconds = time.thread_time()
        except BaseException as error:  # noqa: BLE001 raised again in the training's thread
            self._error = error

    def teardown(self) -> None:
        """Waits, also after an error of the training, which is the one to raise."""
        if self._thread is not None:
            self._thread.join()

    def wait(self) -> None:
        """Waits until the last checkpoint is on the disk; raises what went wrong with it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error


def _copy(value: Any) -> Any:
    """Copies tensors, also from a GPU, so that the training can change its own; other values are plain or new."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
