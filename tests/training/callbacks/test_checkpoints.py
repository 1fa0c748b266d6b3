from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from headrace.storage.bundle import WEIGHTS
from headrace.training.callbacks.checkpoints import (
    BestWeights,
    LastWeights,
    ResumePoint,
    ResumeState,
    read_resume_point,
)

MODULE: Any = SimpleNamespace()


def make_trainer(**values: Any) -> Any:
    return SimpleNamespace(**{"current_epoch": 0, "sanity_checking": False, "is_global_zero": True} | values)


def validate(keeper: BestWeights, *, epoch: int, loss: float, **values: Any) -> None:
    """Ends a validation of a network whose weight is `loss`."""
    network = nn.Linear(1, 1)
    nn.init.constant_(network.weight, loss)
    trainer = make_trainer(current_epoch=epoch, callback_metrics={"val_loss": torch.tensor(loss)}, **values)
    keeper.on_validation_end(trainer, SimpleNamespace(network=network))  # type: ignore[arg-type]


def load_weight(folder: Path) -> float:
    return float(load_file(folder / WEIGHTS)["weight"])


def test_best_weights_are_those_of_the_lowest_loss(tmp_path: Path) -> None:
    best = BestWeights(tmp_path)
    for epoch, loss in enumerate([0.5, 0.25, 0.75, 0.25, float("nan")]):
        validate(best, epoch=epoch, loss=loss)
    assert (best.best_loss, best.best_epoch, best.saved_epoch, load_weight(tmp_path)) == (0.25, 1, 1, 0.25)


def test_last_weights_are_those_of_the_last_epoch(tmp_path: Path) -> None:
    last = LastWeights(tmp_path)
    for epoch, loss in enumerate([0.5, 0.25, 0.75]):
        validate(last, epoch=epoch, loss=loss)
    assert (last.best_loss, last.best_epoch, last.saved_epoch, load_weight(tmp_path)) == (0.25, 1, 2, 0.75)
    resumed = LastWeights(tmp_path)
    resumed.load_state_dict(last.state_dict())
    assert (resumed.best_epoch, resumed.saved_epoch) == (1, 2)


def test_best_weights_of_a_resumed_training_are_compared_with_earlier_ones(tmp_path: Path) -> None:
    best, resumed = BestWeights(tmp_path), BestWeights(tmp_path)
    validate(best, epoch=0, loss=0.25)
    resumed.load_state_dict(best.state_dict())
    validate(resumed, epoch=1, loss=0.5)
    assert (resumed.best_epoch, load_weight(tmp_path)) == (0, 0.25)


def test_best_weights_are_known_to_every_rank_and_written_by_rank_0(tmp_path: Path) -> None:
    best = BestWeights(tmp_path)
    validate(best, epoch=0, loss=0.25, is_global_zero=False)
    assert (best.best_epoch, list(tmp_path.iterdir())) == (0, [])


def test_best_weights_ignore_a_sanity_check(tmp_path: Path) -> None:
    best = BestWeights(tmp_path)
    validate(best, epoch=0, loss=0.25, sanity_checking=True)
    assert best.saved_epoch == -1


def test_resume_state_is_replaced_atomically(tmp_path: Path) -> None:
    state = ResumeState(tmp_path)
    (tmp_path / ResumeState.NAME).write_text("old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        state.on_train_epoch_end(make_trainer(save_checkpoint=fail), MODULE)
    assert (tmp_path / ResumeState.NAME).read_text() == "old"
    state.on_train_epoch_end(make_trainer(save_checkpoint=lambda path: path.write_text("new")), MODULE)
    assert (tmp_path / ResumeState.NAME).read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == [ResumeState.NAME]


def test_resume_state_is_gathered_on_every_rank_and_renamed_by_rank_0(tmp_path: Path) -> None:
    paths: list[Path] = []
    ResumeState(tmp_path).on_train_epoch_end(make_trainer(save_checkpoint=paths.append, is_global_zero=False), MODULE)
    assert len(paths) == 1
    assert list(tmp_path.iterdir()) == []


def save_state(folder: Path) -> Path:
    path = folder / ResumeState.NAME
    torch.save({"epoch": 2, "global_step": 24, "state_dict": {"weight": torch.arange(1000.0)}}, path)
    return path


def test_resume_point_counts_complete_epochs(tmp_path: Path) -> None:
    assert read_resume_point(tmp_path) is None
    path = save_state(tmp_path)
    assert read_resume_point(tmp_path) == ResumePoint(num_epochs=3, step=24)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda data: data[:-100],
        lambda data: data[:2000] + bytes(8) + data[2008:],
        lambda _: b"not a checkpoint",
    ],
    ids=["empty", "truncated", "changed", "something else"],
)
def test_damaged_resume_state_is_set_aside_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Any
) -> None:
    path = save_state(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert read_resume_point(tmp_path) is None
    assert [file.name for file in tmp_path.iterdir()] == ["resume.damaged"]
    (message,) = caplog.messages
    assert message.startswith(f"{path}: not readable (")
    assert message.endswith("), now resume.damaged; the training starts from the beginning")
    assert "\n" not in message
    assert read_resume_point(tmp_path) is None


def test_state_without_its_keys_is_damaged(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(1)}, tmp_path / ResumeState.NAME)
    assert read_resume_point(tmp_path) is None
    assert (tmp_path / "resume.damaged").is_file()
