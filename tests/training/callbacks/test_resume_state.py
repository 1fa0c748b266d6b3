from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from headrace.contracts import Json
from headrace.paths import Paths
from headrace.training.callbacks import resume_state
from headrace.training.callbacks.resume_state import MAX_SHARE, ResumeState
from headrace.training.fit import FitJob, WorkerContext, fit
from headrace.training.reporting.events import Event
from headrace.training.resume.checkpoint_settings import Checkpoint
from headrace.training.resume.checkpoint_store import find_checkpoint, list_checkpoints, read_position
from headrace.training.settings import ResolvedTrainSettings
from tests.training.short_fit import SETTINGS, InterruptedTrainingError, is_same, train

MODULE: Any = SimpleNamespace()
COST_S = 0.25


class Training:
    """Steps of a training on several workers, with a clock that only steps and saving move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, world_size: int = 1, **settings: Any) -> None:
        self.now, self.saved, self.num_exchanges, self.is_stopping = 100.0, [], 0, False
        monkeypatch.setattr(resume_state, "time", SimpleNamespace(perf_counter=lambda: self.now))
        writer: Any = SimpleNamespace(is_busy=False, cpu_seconds=0.0, nowhere=Path("nowhere"), wait=lambda: None)
        self.writer = writer
        stop: Any = SimpleNamespace(begin=lambda: None, is_set=lambda: self.is_stopping, act=self.act)
        loop = SimpleNamespace(batch_progress=SimpleNamespace(is_last_batch=False), _should_accumulate=lambda: False)
        self.trainer: Any = SimpleNamespace(
            global_step=0, world_size=world_size, should_stop=False, fit_loop=SimpleNamespace(epoch_loop=loop),
            save_checkpoint=self.save, strategy=SimpleNamespace(broadcast=self.exchange),
        )  # fmt: skip
        self.callback = ResumeState(Checkpoint(**settings), writer, stop)
        self.callback.on_train_start(self.trainer, MODULE)

    def save(self, _: Path) -> None:
        self.saved.append(self.trainer.global_step)
        self.now += COST_S

    def exchange(self, value: Any) -> Any:
        self.num_exchanges += 1
        return value

    def act(self) -> None:
        raise InterruptedTrainingError

    def run(self, num_steps: int, seconds_per_step: float) -> list[int]:
        for _ in range(num_steps):
            self.trainer.global_step += 1
            self.now += seconds_per_step
            self.callback.on_train_batch_end(self.trainer, MODULE)
        return self.saved


def test_state_is_saved_every_so_many_steps_whatever_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Training(monkeypatch, every_steps=4, every_minutes=0.0).run(13, 0.001) == [4, 8, 12]


def test_state_is_saved_by_the_clock_within_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch, every_minutes=0.1)
    saved = training.run(1000, 0.5)
    assert saved[0] == 12, "after 6 seconds"
    assert COST_S * len(saved) <= 1.2 * MAX_SHARE * (training.now - 100)
    assert len(saved) > 15


def test_no_state_is_saved_where_both_intervals_are_0(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch, every_minutes=0.0)
    assert training.run(100, 10.0) == []
    training.callback.on_train_epoch_end(training.trainer, MODULE)
    assert training.saved == []


def test_state_is_not_due_while_the_last_one_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch, every_minutes=0.1)
    training.writer.is_busy = True
    assert training.run(100, 10.0) == []


@pytest.mark.parametrize("seconds_per_step", [0.001, 0.3, 40.0])
def test_several_workers_compare_clocks_about_once_a_second(
    monkeypatch: pytest.MonkeyPatch, seconds_per_step: float
) -> None:
    training = Training(monkeypatch, world_size=2, every_minutes=0.0)
    training.run(3000, seconds_per_step)
    assert training.num_exchanges <= min(3000, 2 * 3000 * seconds_per_step + 3)
    training.is_stopping = True
    with pytest.raises(InterruptedTrainingError):
        training.run(max(int(3 / seconds_per_step), 2), seconds_per_step)
    assert training.saved == [training.trainer.global_step]


def test_nothing_is_saved_between_the_last_step_of_an_epoch_and_its_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch, every_steps=1)
    training.trainer.fit_loop.epoch_loop.batch_progress.is_last_batch = True
    assert training.run(1, 1.0) == []
    training.callback.on_train_epoch_end(training.trainer, MODULE)
    assert training.saved == [1]


def stop_at(step: int, work_dir: Path) -> Any:
    """Returns an observer that interrupts at the first event from a step on; a training reports two a second."""

    def observe(event: Event) -> None:
        if event["step"] >= step and list_checkpoints(work_dir):
            raise InterruptedTrainingError

    return observe


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}], ids=["plain", "in parts"])
def test_training_goes_on_within_an_epoch_with_the_same_draws(
    trained: Paths, monkeypatch: pytest.MonkeyPatch, changes: Json
) -> None:
    monkeypatch.setattr("headrace.training.callbacks.reporter.SECONDS_BETWEEN_EVENTS", 0.0)
    settings: Json = {"model": {**SETTINGS["model"], "dropout": 0.3}, "max_epochs": 3, **changes}
    for step in (4, 9, 17, 30):
        with pytest.raises(InterruptedTrainingError):
            train(trained, "interrupted", stop_at(step, trained.root / "interrupted"), **settings)
        position = find_checkpoint(trained.root / "interrupted")
        assert position is not None
        assert position.step in (step - 1, step)
    assert is_same(train(trained, "whole", **settings), train(trained, "interrupted", **settings))


def test_state_that_was_due_is_written_although_the_training_fails(trained: Paths) -> None:
    work_dir = trained.root / "a"
    work_dir.mkdir()

    def fail(event: Event) -> None:
        if event["kind"] == "epoch" and event["epoch"] == 1:
            raise InterruptedTrainingError

    settings = ResolvedTrainSettings(**SETTINGS | {"checkpoint": {"every_steps": 7, "keep": 1}})
    with pytest.raises(InterruptedTrainingError):
        fit(FitJob(trained.normalized_dir, work_dir, settings), fail, WorkerContext(num_threads=1))
    (checkpoint,) = list_checkpoints(work_dir)
    assert read_position(checkpoint).step == 21
    state = torch.load(checkpoint / "state.ckpt", weights_only=True)
    assert state["position"] == {"epoch": 1, "batch": 10, "step": 21}
