from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from headrace.training.autotune import timing
from headrace.training.autotune.timing import StepTimer, Variant, time_steps, train_steps
from headrace.training.fit import FitJob
from headrace.training.settings import ResolvedTrainSettings

SETTINGS = ResolvedTrainSettings(model={"name": "mlp", "dense": [8]}, batch_size=25, num_workers=0)


@pytest.fixture
def job(trained):
    return FitJob(trained.normalized_dir, Path(), SETTINGS)


def test_timer_is_the_median_without_warm_up_and_stops_after_a_round(monkeypatch):
    times = iter([0.0, 10.0, 15.0, 20.0, 25.0, 25.1, 25.2, 25.5, 25.6])
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    monkeypatch.setattr(timing, "SECONDS_PER_ROUND", 15.4)
    timer, trainer = StepTimer(), SimpleNamespace(should_stop=False)
    timer.on_train_start(trainer, None)
    stops = []
    for _ in range(7):
        timer.on_train_batch_end(trainer, None)
        stops.append(trainer.should_stop)
    assert stops == [False] * 5 + [True] * 2
    assert timer.seconds_per_step() == pytest.approx(0.1)


def test_train_steps_ends_after_the_steps_and_writes_nothing(job, trained):
    timer = StepTimer()
    before = sorted(trained.root.rglob("*"))
    train_steps(job, timer, num_steps=4)
    assert len(timer.seconds) == 4
    assert sorted(trained.root.rglob("*")) == before


def test_time_steps_is_the_best_round_of_each_variant_and_restores_threads(job, monkeypatch):
    seconds, threads, normalized_dir = iter([3.0, 5.0, 2.0, 6.0]), [], job.normalized_dir

    def train(job, timer, *, num_steps):  # noqa: ARG001 the names are those of train_steps
        assert job.normalized_dir == normalized_dir
        threads.append(torch.get_num_threads())
        timer.seconds = [next(seconds)]

    monkeypatch.setattr(timing, "train_steps", train)
    before = torch.get_num_threads()
    variants = {"a": Variant(SETTINGS, 1), "b": Variant(SETTINGS, 2)}
    assert time_steps(normalized_dir, variants, num_rounds=2) == {"a": 2.0, "b": 5.0}
    assert threads == [1, 2, 1, 2]
    assert torch.get_num_threads() == before
