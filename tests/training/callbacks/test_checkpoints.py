from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from headrace.storage.bundle import WEIGHTS
from headrace.training.callbacks.checkpoints import BestWeights, LastWeights


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
