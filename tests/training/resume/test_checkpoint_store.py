import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.storage.bundle import WEIGHTS
from headrace.training.resume.checkpoint_store import (
    FORMAT,
    MANIFEST,
    STATE,
    Position,
    find_checkpoint,
    finish_checkpoint,
    list_checkpoints,
    read_position,
    restore_weights,
    start_checkpoint,
)

CONTENT = os.urandom(5000)


def save(work_dir: Path, step: int, num_kept: int = 3) -> Path:
    position = Position(epoch=step // 10, batch=step % 10, step=step)
    temporary = start_checkpoint(work_dir, position)
    (temporary / STATE).write_bytes(CONTENT)
    return finish_checkpoint(temporary, position, num_kept)


def test_newest_checkpoint_is_found_and_the_oldest_are_removed(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path) is None
    folders = [save(tmp_path, step, num_kept=2) for step in (8, 12, 100)]
    assert find_checkpoint(tmp_path) == read_position(folders[2]) == Position(10, 0, 100)
    assert list_checkpoints(tmp_path) == [folders[2], folders[1]]


@pytest.mark.parametrize(
    ("position", "words"),
    [(Position(2, 5, 25), "in epoch 3 of 12, after step 25"), (Position(2, 0, 20), "after epoch 2 of 12, step 20")],
)
def test_position_in_words(position: Position, words: str) -> None:
    assert position.describe(12) == words


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda folder: (folder / STATE).write_bytes(b""),
    "truncated": lambda folder: (folder / STATE).write_bytes(CONTENT[:-100]),
    "flipped": lambda folder: (folder / STATE).write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])),
    "no state": lambda folder: (folder / STATE).unlink(),
    "no manifest": lambda folder: (folder / MANIFEST).unlink(),
    "empty manifest": lambda folder: (folder / MANIFEST).write_bytes(b""),
    "manifest of something else": lambda folder: (folder / MANIFEST).write_text("[]"),
    "another format": lambda folder: (folder / MANIFEST).write_text(json.dumps({"format": FORMAT + 1})),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    first, second = save(tmp_path, 8), save(tmp_path, 12)
    DAMAGES[damage](second)
    assert find_checkpoint(tmp_path) == read_position(first)
    (line,) = caplog.messages
    assert line.startswith(f"{second}: damaged (")
    assert line.endswith(f"), now damaged-{second.name}; the training goes on from step 8")
    assert "\n" not in line
    assert list_checkpoints(tmp_path) == [first]
    (first / MANIFEST).write_bytes(b"")
    assert find_checkpoint(tmp_path) is None
    assert caplog.messages[1].endswith("; the training starts from the beginning")


def test_checkpoint_that_was_never_finished_is_ignored_and_removed(tmp_path: Path) -> None:
    (start_checkpoint(tmp_path, Position(0, 3, 3)) / STATE).write_bytes(CONTENT)
    assert find_checkpoint(tmp_path) is None
    save(tmp_path, 8)
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["step-0000000008"]


@pytest.mark.parametrize("has_links", [True, False])
def test_weights_go_back_to_what_they_were_at_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError

    if not has_links:
        monkeypatch.setattr(os, "link", fail)
    before = save(tmp_path, 4)
    (tmp_path / WEIGHTS).write_bytes(b"epoch 1")
    after = save(tmp_path, 8)
    (tmp_path / "new").write_bytes(b"epoch 2")
    (tmp_path / "new").replace(tmp_path / WEIGHTS)  # as they are written: never in place
    assert find_checkpoint(tmp_path) == read_position(after)
    restore_weights(after, tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == b"epoch 1"
    restore_weights(before, tmp_path)
    assert not (tmp_path / WEIGHTS).exists()
