from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.training.callbacks.divergence import DivergenceGuard
from headrace.training.fit import read_result
from headrace.training.resume.checkpoint_store import find_checkpoint, list_checkpoints
from tests.training.short_fit import train


def make_trainer(step: int = 1) -> Any:
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    return SimpleNamespace(global_step=step, current_epoch=0, strategy=strategy)


MODULE: Any = SimpleNamespace(settings=SimpleNamespace(learning_rate=0.5))


@pytest.mark.parametrize(
    ("losses", "is_stopped"),
    [
        ([2.0, 1.0], False),
        ([2.0, 1.9e6], False),
        ([2.0, 2.1e6], True),
        ([1e-9, 9e5], False),
        ([2.0, float("nan")], True),
        ([float("inf")], True),
        ([float("nan")], True),
    ],
)
def test_loss_that_is_no_number_or_has_exploded_stops_the_training(
    tmp_path: Path, losses: list[float], is_stopped: bool
) -> None:
    guard = DivergenceGuard(tmp_path, lambda: None)
    guard.on_train_start(make_trainer(), MODULE)

    def run() -> None:
        for step, loss in enumerate(losses, 1):
            guard.on_train_batch_end(make_trainer(step), MODULE, {"loss": torch.tensor(loss)})

    if not is_stopped:
        run()
        return
    with pytest.raises(ConfigError, match=rf"at step {len(losses)}, in epoch 1; lower it.*; no state was saved before"):
        run()


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    network = nn.Linear(2, 1)
    module: Any = SimpleNamespace(network=network, settings=MODULE.settings)
    guard = DivergenceGuard(tmp_path, lambda: None)
    guard.on_save_checkpoint(make_trainer(), module, {})
    with torch.no_grad():
        network.weight[0, 1] = float("inf")
    with pytest.raises(ConfigError, match="drove the weights weight to NaN or infinity at step 1, in epoch 1"):
        guard.on_save_checkpoint(make_trainer(), module, {})


def test_training_that_diverges_leaves_its_last_good_state(trained: Paths) -> None:
    with pytest.raises(ConfigError, match=r"drove .* at step \d+, in epoch 1; .* the last good state, of step \d+, is"):
        train(trained, "a", learning_rate=3e8, optimizer="sgd", schedule="constant")
    work_dir = trained.root / "a"
    assert read_result(work_dir) is None
    position = find_checkpoint(work_dir)
    assert position is not None
    state = torch.load(list_checkpoints(work_dir)[0] / "state.ckpt", weights_only=True)
    assert all(bool(value.isfinite().all()) for value in state["state_dict"].values())
