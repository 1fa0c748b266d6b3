from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from headrace.storage.bundle import WEIGHTS
from headrace.training.callbacks import reporter as callbacks
from headrace.training.callbacks.reporter import BestWeights, LastWeights, Reporter, ResumableEarlyStopping, ResumeState
from headrace.training.reporting.events import Event


def trainer(**given: Any) -> Any:
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.5}])
    usual = {"current_epoch": 0, "global_step": 0, "sanity_checking": False, "is_global_zero": True}
    return SimpleNamespace(**usual | {"optimizers": [optimizer], "should_stop": False} | given)


def module(value: float = 0.0) -> Any:
    network = nn.Linear(1, 1)
    nn.init.constant_(network.weight, value)
    return SimpleNamespace(network=network, epoch_metrics={"val_loss": value})


def validated(best: BestWeights, *, epoch: int, loss: float, **given: Any) -> None:
    metrics = {"val_loss": torch.tensor(loss)}
    best.on_validation_end(trainer(current_epoch=epoch, callback_metrics=metrics, **given), module(loss))


def kept(folder: Path) -> float:
    from safetensors.torch import load_file

    return float(load_file(folder / WEIGHTS)["weight"])


def test_best_weights_are_those_of_the_lowest_loss(tmp_path: Path) -> None:
    best = BestWeights(tmp_path)
    for epoch, loss in enumerate([0.5, 0.25, 0.75, 0.25, float("nan")]):
        validated(best, epoch=epoch, loss=loss)
    assert (best.best_loss, best.best_epoch, kept(tmp_path)) == (0.25, 1, 0.25)


def test_last_weights_are_those_of_the_last_epoch_and_know_the_best(tmp_path: Path) -> None:
    last = LastWeights(tmp_path)
    for epoch, loss in enumerate([0.5, 0.25, 0.75]):
        validated(last, epoch=epoch, loss=loss)
    assert (last.best_loss, last.best_epoch, last.kept_epoch, kept(tmp_path)) == (0.25, 1, 2, 0.75)
    resumed = LastWeights(tmp_path)
    resumed.load_state_dict(last.state_dict())
    assert (resumed.best_epoch, resumed.kept_epoch) == (1, 2)


def test_best_weights_of_a_resumed_training_go_on(tmp_path: Path) -> None:
    best, resumed = BestWeights(tmp_path), BestWeights(tmp_path)
    validated(best, epoch=0, loss=0.25)
    resumed.load_state_dict(best.state_dict())
    validated(resumed, epoch=1, loss=0.5)
    assert (resumed.best_epoch, kept(tmp_path)) == (0, 0.25)


def test_best_weights_are_written_by_rank_0_only_and_known_to_all(tmp_path: Path) -> None:
    best = BestWeights(tmp_path)
    validated(best, epoch=0, loss=0.25, is_global_zero=False)
    assert (best.best_epoch, list(tmp_path.iterdir())) == (0, [])


def test_best_weights_of_a_sanity_check_do_not_count(tmp_path: Path) -> None:
    best = BestWeights(tmp_path)
    validated(best, epoch=0, loss=0.25, sanity_checking=True)
    assert best.best_epoch == -1


def test_reporter_tells_each_epoch_and_seldom_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Event] = []
    clock = iter([100.0, 100.1, 100.6, 100.7, 101.0])
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    reporter = Reporter(told.append, batch_size=50)
    reporter.on_train_epoch_start(trainer(), module())
    for step in (1, 3, 4):
        reporter.on_train_batch_end(trainer(global_step=step), module(), {"loss": torch.tensor(2.0)})
    reporter.on_train_epoch_end(trainer(global_step=4), module(0.25))
    assert [event["kind"] for event in told] == ["step", "epoch"]
    assert told[0] == {
        "kind": "step", "epoch": 0, "step": 3, "learning_rate": 0.5, "loss": 2.0,
        "samples_per_second": pytest.approx(3 * 50 / 0.6),
    }  # fmt: skip
    assert told[1] == {"kind": "epoch", **reporter.history[0]}
    assert reporter.history[0] == {
        "epoch": 0, "step": 4, "learning_rate": 0.5, "val_loss": 0.25, "samples_per_second": pytest.approx(4 * 50 / 1.0)
    }  # fmt: skip


def test_rate_of_an_epoch_leaves_its_validation_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 102.0])  # the start, and the validation's
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    reporter = Reporter(lambda _: None, batch_size=50)
    reporter.on_train_epoch_start(trainer(), module())
    reporter.on_validation_start(trainer(global_step=4), module())
    reporter.on_train_epoch_end(trainer(global_step=4), module(0.25))
    assert reporter.history[0]["samples_per_second"] == pytest.approx(4 * 50 / 2.0)


def test_reporter_of_a_resumed_training_has_the_epochs_before() -> None:
    before, after = Reporter(lambda _: None, 50), Reporter(lambda _: None, 50)
    before.history = [{"epoch": 0}]
    after.load_state_dict(before.state_dict())
    assert after.history == [{"epoch": 0}]


@pytest.mark.parametrize(("waited", "stops"), [(0, False), (1, False), (2, True), (3, True)])
def test_patience_of_a_training_that_had_ended_ends_it_again(waited: int, stops: bool) -> None:
    patience = ResumableEarlyStopping("val_loss", patience=2)
    patience.wait_count = waited
    resumed = trainer()
    patience.on_train_start(resumed, module())
    assert resumed.should_stop is stops


def test_resume_state_is_whole_or_not_at_all(tmp_path: Path) -> None:
    state = ResumeState(tmp_path)
    (tmp_path / ResumeState.NAME).write_text("old")

    def failing(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        state.on_train_epoch_end(trainer(save_checkpoint=failing), module())
    assert (tmp_path / ResumeState.NAME).read_text() == "old"
    state.on_train_epoch_end(trainer(save_checkpoint=lambda path: path.write_text("new")), module())
    assert (tmp_path / ResumeState.NAME).read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == [ResumeState.NAME]


def test_resume_state_is_called_on_every_rank_and_put_in_place_by_rank_0(tmp_path: Path) -> None:
    asked: list[Path] = []
    ResumeState(tmp_path).on_train_epoch_end(trainer(save_checkpoint=asked.append, is_global_zero=False), module())
    assert len(asked) == 1
    assert list(tmp_path.iterdir()) == []
