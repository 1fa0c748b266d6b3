from types import SimpleNamespace
from typing import Any

import pytest
import torch

from headrace.training.callbacks import reporter
from headrace.training.callbacks.reporter import Reporter
from headrace.training.reporting.events import Event

MODULE: Any = SimpleNamespace(epoch_metrics={"val_loss": 0.25})


def make_trainer(global_step: int = 0) -> Any:
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.5}])
    return SimpleNamespace(current_epoch=0, global_step=global_step, optimizers=[optimizer])


def set_clock(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    times = iter(seconds)
    monkeypatch.setattr(reporter, "time", SimpleNamespace(perf_counter=lambda: next(times)))


def test_reporter_reports_each_epoch_and_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    set_clock(monkeypatch, 100.0, 100.1, 100.6, 100.7, 101.0)
    callback = Reporter(events.append, batch_size=50)
    callback.on_train_epoch_start(make_trainer(), MODULE)
    for step in (1, 3, 4):
        callback.on_train_batch_end(make_trainer(step), MODULE, {"loss": torch.tensor(2.0)})
    callback.on_train_epoch_end(make_trainer(4), MODULE)
    assert events == [
        {"kind": "step", "epoch": 0, "step": 3, "loss": 2.0, "learning_rate": 0.5,
         "samples_per_second": pytest.approx(3 * 50 / 0.6)},
        {"kind": "epoch", **callback.history[0]},
    ]  # fmt: skip
    assert callback.history[0] == {
        "epoch": 0, "step": 4, "val_loss": 0.25, "learning_rate": 0.5, "samples_per_second": pytest.approx(4 * 50 / 1.0)
    }  # fmt: skip


def test_throughput_of_an_epoch_excludes_its_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, 100.0, 102.0)  # the start of the epoch, and of its validation
    callback = Reporter(lambda _: None, batch_size=50)
    callback.on_train_epoch_start(make_trainer(), MODULE)
    callback.on_validation_start(make_trainer(4), MODULE)
    callback.on_train_epoch_end(make_trainer(4), MODULE)
    assert callback.history[0]["samples_per_second"] == pytest.approx(4 * 50 / 2.0)


def test_reporter_of_a_resumed_training_has_the_earlier_epochs() -> None:
    before, after = Reporter(lambda _: None, 50), Reporter(lambda _: None, 50)
    before.history = [{"epoch": 0}]
    after.load_state_dict(before.state_dict())
    assert after.history == [{"epoch": 0}]
