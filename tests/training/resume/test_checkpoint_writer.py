import errno
import os
import subprocess
from pathlib import Path

import pytest
import torch

from headrace.training.resume.checkpoint_store import FOLDER, STATE, Position, find_checkpoint, list_checkpoints
from headrace.training.resume.checkpoint_writer import CheckpointWriter


def save(writer: CheckpointWriter, weight: torch.Tensor, step: int) -> None:
    state = {"position": {"epoch": 0, "batch": step, "step": step}, "state_dict": {"weight": weight}, "list": [weight]}
    writer.save_checkpoint(state, writer.nowhere)


def test_state_is_that_of_the_call_although_the_training_goes_on(tmp_path: Path) -> None:
    writer, weight = CheckpointWriter(tmp_path, 2), torch.zeros(1000)
    save(writer, weight, 3)
    weight += 1
    writer.wait()
    assert find_checkpoint(tmp_path) == Position(0, 3, 3)
    state = torch.load(list_checkpoints(tmp_path)[0] / STATE, weights_only=True)
    assert float(state["state_dict"]["weight"].sum() + state["list"][0].sum()) == 0
    assert not writer.is_busy
    assert writer.cpu_seconds > 0


def test_failed_write_raises_at_the_next_one_and_leaves_the_one_before(tmp_path: Path) -> None:
    writer, weight = CheckpointWriter(tmp_path, 2), torch.zeros(10)
    save(writer, weight, 3)
    writer.wait()
    state = {"position": {"epoch": 0, "batch": 4, "step": 4}, "function": lambda: None}  # cannot be pickled
    writer.save_checkpoint(state, writer.nowhere)
    writer.teardown()
    with pytest.raises(Exception, match="pickle"):
        save(writer, weight, 5)
    writer.wait()
    assert find_checkpoint(tmp_path) == Position(0, 3, 3)
    save(writer, weight, 6)
    writer.wait()
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == ["step-0000000003", "step-0000000006"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_full_disk_raises_an_error_that_users_can_fix(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=True)
    try:
        writer = CheckpointWriter(tmp_path, 2)
        save(writer, torch.zeros(50_000), 3)
        with pytest.raises(OSError, match="No space left") as caught:
            writer.wait()
        assert caught.value.errno == errno.ENOSPC
        assert find_checkpoint(tmp_path) is None
    finally:
        subprocess.run(["umount", tmp_path], check=True)
