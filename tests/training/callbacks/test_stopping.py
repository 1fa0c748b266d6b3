from types import SimpleNamespace
from typing import Any

import pytest

from headrace.training.callbacks import stopping
from headrace.training.callbacks.stopping import TrainingLimits


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(stopping, "time", made)
    return made


def trainer(asked: list[float] | None = None, offset: float = 0.0) -> Any:
    """Rank 0's clock is `offset` ahead of this one's."""
    asked = [] if asked is None else asked

    def broadcast(seconds: float) -> float:
        asked.append(seconds)
        return seconds + offset

    return SimpleNamespace(global_step=0, should_stop=False, strategy=SimpleNamespace(broadcast=broadcast))


def go(found: TrainingLimits, running: Any, clock: Clock, *, seconds_per_step: float, num_steps: int) -> int:
    """Steps taken before the end."""
    for _ in range(num_steps):
        running.global_step += 1
        clock.now += seconds_per_step
        found.on_train_batch_end(running, None, None)
        if running.should_stop:
            break
    return int(running.global_step)


def started(running: Any, state: dict[str, Any] | None = None, **given: Any) -> TrainingLimits:
    found = TrainingLimits(**{"max_steps": 0, "max_seconds": 0.0} | given)
    if state is not None:
        found.load_state_dict(state)
    found.on_train_start(running, None)
    return found


def test_limit_of_steps_ends_after_that_step(clock: Clock) -> None:
    running = trainer()
    assert go(started(running, max_steps=7), running, clock, seconds_per_step=1.0, num_steps=20) == 7


def test_limit_of_steps_of_a_training_that_had_them_ends_it_at_once() -> None:
    running = trainer()
    running.global_step = 7
    started(running, max_steps=7)
    assert running.should_stop


@pytest.mark.parametrize("seconds_per_step", [0.001, 0.3, 7.0, 500.0])
def test_limit_of_time_ends_soon_after_it_and_looks_seldom(clock: Clock, seconds_per_step: float) -> None:
    asked: list[float] = []
    running = trainer(asked)
    found = started(running, max_seconds=120.0)
    num_steps = go(found, running, clock, seconds_per_step=seconds_per_step, num_steps=10**6)
    assert running.should_stop
    assert 120.0 - 1e-6 <= num_steps * seconds_per_step < 120.0 + 1.5 * seconds_per_step
    assert len(asked) < 60
    assert len(asked) <= num_steps


def test_limit_of_time_goes_by_rank_0s_clock(clock: Clock) -> None:
    running = trainer(offset=30.0)
    found = started(running, max_seconds=60.0)
    assert go(found, running, clock, seconds_per_step=1.0, num_steps=1000) == 30


def test_limit_of_time_counts_what_a_killed_training_used(clock: Clock) -> None:
    running = trainer()
    before = started(running, max_seconds=60.0)
    go(before, running, clock, seconds_per_step=1.0, num_steps=45)
    resumed = trainer()
    resumed.global_step = 40
    after = started(resumed, before.state_dict(), max_seconds=60.0)
    assert not resumed.should_stop
    assert go(after, resumed, clock, seconds_per_step=1.0, num_steps=1000) == 40 + 15
    again = trainer()
    started(again, after.state_dict(), max_seconds=60.0)
    assert again.should_stop


def test_limits_of_nothing_end_nothing(clock: Clock) -> None:
    running = trainer()
    assert go(started(running), running, clock, seconds_per_step=1e6, num_steps=50) == 50
    assert not running.should_stop
