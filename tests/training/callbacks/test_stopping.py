from types import SimpleNamespace
from typing import Any

import pytest

from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.training.callbacks import stopping
from headrace.training.callbacks.stopping import ResumableEarlyStopping, TrainingLimits
from headrace.training.fit import RESULT
from tests.training.short_fit import InterruptedTrainingError, interrupt_in, is_same, load_result, train


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stopping, "time", clock)
    return clock


def make_trainer(checks: list[float] | None = None, offset: float = 0.0, global_step: int = 0) -> Any:
    """Makes a trainer that records broadcasts; the clock of rank 0 is `offset` ahead."""
    checks = [] if checks is None else checks

    def broadcast(seconds: float) -> float:
        checks.append(seconds)
        return seconds + offset

    return SimpleNamespace(
        global_step=global_step,
        should_stop=False,
        strategy=SimpleNamespace(broadcast=broadcast),
        fit_loop=SimpleNamespace(restarted_mid_epoch=False),
    )


def start(trainer: Any, state: dict[str, Any] | None = None, **values: Any) -> TrainingLimits:
    limits = TrainingLimits(**{"max_steps": 0, "max_seconds": 0.0} | values)
    if state is not None:
        limits.load_state_dict(state)
    limits.on_train_start(trainer, None)
    return limits


def run_steps(limits: TrainingLimits, trainer: Any, clock: Clock, *, seconds_per_step: float, num_steps: int) -> int:
    """Runs steps until the trainer stops, and returns the global step."""
    for _ in range(num_steps):
        trainer.global_step += 1
        clock.now += seconds_per_step
        limits.on_train_batch_end(trainer, None, None)
        if trainer.should_stop:
            break
    return int(trainer.global_step)


def test_limit_of_steps_stops_after_that_step(clock: Clock) -> None:
    trainer = make_trainer()
    assert run_steps(start(trainer, max_steps=7), trainer, clock, seconds_per_step=1.0, num_steps=20) == 7


def test_limit_of_steps_that_was_reached_stops_a_resumed_training_at_once() -> None:
    trainer = make_trainer(global_step=7)
    start(trainer, max_steps=7)
    assert trainer.should_stop


@pytest.mark.parametrize("seconds_per_step", [0.001, 0.3, 7.0, 500.0])
def test_limit_of_time_stops_soon_after_it_with_few_checks(clock: Clock, seconds_per_step: float) -> None:
    checks: list[float] = []
    trainer = make_trainer(checks)
    limits = start(trainer, max_seconds=120.0)
    num_steps = run_steps(limits, trainer, clock, seconds_per_step=seconds_per_step, num_steps=10**6)
    assert trainer.should_stop
    assert 120.0 - 1e-6 <= num_steps * seconds_per_step < 120.0 + 1.5 * seconds_per_step
    assert len(checks) < 60
    assert len(checks) <= num_steps


def test_limit_of_time_uses_the_clock_of_rank_0(clock: Clock) -> None:
    trainer = make_trainer(offset=30.0)
    assert run_steps(start(trainer, max_seconds=60.0), trainer, clock, seconds_per_step=1.0, num_steps=1000) == 30


def test_limit_of_time_includes_the_time_before_an_interruption(clock: Clock) -> None:
    trainer = make_trainer()
    before = start(trainer, max_seconds=60.0)
    run_steps(before, trainer, clock, seconds_per_step=1.0, num_steps=45)
    resumed = make_trainer(global_step=40)
    after = start(resumed, before.state_dict(), max_seconds=60.0)
    assert not resumed.should_stop
    assert run_steps(after, resumed, clock, seconds_per_step=1.0, num_steps=1000) == 40 + 15
    finished = make_trainer()
    start(finished, after.state_dict(), max_seconds=60.0)
    assert finished.should_stop


def test_limits_of_0_never_stop(clock: Clock) -> None:
    trainer = make_trainer()
    assert run_steps(start(trainer), trainer, clock, seconds_per_step=1e6, num_steps=50) == 50
    assert not trainer.should_stop


@pytest.mark.parametrize(("num_waited", "should_stop"), [(0, False), (1, False), (2, True), (3, True)])
def test_early_stopping_that_was_reached_stops_a_resumed_training_at_once(num_waited: int, should_stop: bool) -> None:
    early_stopping = ResumableEarlyStopping("val_loss", patience=2)
    early_stopping.wait_count = num_waited
    trainer = make_trainer()
    early_stopping.on_train_start(trainer, None)  # type: ignore[arg-type]
    assert trainer.should_stop is should_stop


def test_fit_stops_without_improvement_and_stays_stopped_when_resumed(trained: Paths) -> None:
    settings = {"max_epochs": 60, "early_stopping": {"patience": 1}, "schedule": "constant"}
    uninterrupted, work_dir = train(trained, "uninterrupted", **settings), train(trained, "killed", **settings)
    result = load_result(uninterrupted)
    assert result["epochs"] == result["best_epoch"] + 2 < 60
    assert result["ended_by"] == "early_stopping.patience"
    (work_dir / RESULT).unlink()
    assert is_same(uninterrupted, train(trained, "killed", **settings))


def test_fit_interrupted_during_its_patience_stops_in_the_same_epoch(trained: Paths) -> None:
    settings = {"max_epochs": 60, "early_stopping": {"patience": 3, "min_delta": 0.5}, "schedule": "constant"}
    uninterrupted = train(trained, "uninterrupted", **settings)
    num_epochs = load_result(uninterrupted)["epochs"]
    assert 4 < num_epochs < 60
    with pytest.raises(InterruptedTrainingError):
        train(trained, "interrupted", interrupt_in(num_epochs - 1), **settings)
    assert is_same(uninterrupted, train(trained, "interrupted", **settings))


def test_fit_with_a_patience_of_0_never_stops_early(trained: Paths) -> None:
    result = load_result(train(trained, "a", learning_rate=1e-9, max_epochs=9, early_stopping={"patience": 0}))
    assert (result["epochs"], result["ended_by"]) == (9, "max_epochs")


def test_fit_with_a_limit_of_steps_stops_within_an_epoch_and_validates_it(trained: Paths) -> None:
    settings = {"early_stopping": {"patience": 0, "max_steps": 26}}
    work_dir = train(trained, "a", **settings)
    result, weights = load_result(work_dir), (work_dir / WEIGHTS).read_bytes()
    assert (result["steps"], result["epochs"], result["ended_by"]) == (26, 3, "early_stopping.max_steps")
    assert [epoch["step"] for epoch in result["history"]] == [11, 22, 26]
    assert result["kept_epoch"] == 2, "the unfinished epoch is the best one"
    assert result["history"][2]["learning_rate"] < 1e-4, "the schedule ends with the steps"
    (work_dir / RESULT).unlink()
    assert load_result(train(trained, "a", **settings))["steps"] == 26
    assert (work_dir / WEIGHTS).read_bytes() == weights


def test_fit_with_a_limit_of_time_counts_the_time_before_an_interruption(trained: Paths) -> None:
    settings = {"early_stopping": {"patience": 0, "max_minutes": 1e-6}}
    work_dir = train(trained, "a", **settings)
    result = load_result(work_dir)
    assert (result["steps"], result["epochs"], result["kept_epoch"]) == (1, 1, 0)
    assert result["ended_by"] == "early_stopping.max_minutes"
    (work_dir / RESULT).unlink()
    assert load_result(train(trained, "a", **settings))["steps"] == 1
