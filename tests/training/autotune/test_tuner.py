import json

import pytest

from headrace.contracts import Spec
from headrace.storage.arrays import open_arrays
from headrace.training.autotune import timing
from headrace.training.autotune.tuner import Decision, Machine, count_threads, decide, load_or_decide, make_first_guess
from headrace.training.autotune.workload import Workload, count_workload
from headrace.training.settings import ResolvedTrainSettings, TrainSettings

MODEL = {"name": "cnn", "blocks": [8, "pool"], "dense": [16]}
ALL = {"learning_rate": "auto", "batch_size": "auto", "num_threads": "auto", "precision": "auto",
       "memory_format": "auto"}  # fmt: skip


def decide_for(paths, machine, **wanted):
    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    spec, train = Spec.read(paths.normalized_dir), open_arrays(paths.normalized_dir / "train")
    settings = TrainSettings(model=MODEL, **wanted)
    workload = count_workload(settings.model, spec, transform, train)
    return decide(settings, paths.normalized_dir, machine, workload)


def test_decide_without_auto_measures_nothing(trained, monkeypatch):
    monkeypatch.setattr(timing, "train_steps", lambda *_, **__: pytest.fail("measured"))
    decision = decide_for(trained, Machine(0, 2), batch_size=50, num_threads=3)
    assert decision.summary == ""
    assert decision.settings.batch_size == 50
    assert (decision.settings.num_threads, decision.settings.num_workers) == (3, 0)
    assert decide_for(trained, Machine(0, 2)).settings.num_threads == 1, "for such a small network"


@pytest.mark.slow
def test_decide_resolves_and_reports_every_auto(trained):
    decision = decide_for(trained, Machine(2, 1), **ALL)
    settings = decision.settings
    assert settings.batch_size == 16, "an epoch of 500 rows keeps its 32 steps, and two workers share a batch"
    assert settings.num_workers == 2
    assert settings.num_threads == 1
    assert 1e-4 < settings.learning_rate < 5e-2
    for name in ALL:
        assert name in decision.summary


def test_decide_needs_a_clear_gain_over_the_default(trained, monkeypatch):
    seconds = {"32 contiguous": 1.0, "32 channels_last": 0.95, "bf16 contiguous": 0.92, "bf16 channels_last": 0.93}
    monkeypatch.setattr(timing, "time_steps", lambda *_: seconds)
    settings = decide_for(trained, Machine(0, 1), precision="auto", memory_format="auto").settings
    assert (settings.precision, settings.memory_format) == ("32", "contiguous")
    seconds["bf16 channels_last"] = 0.5
    decision = decide_for(trained, Machine(0, 1), precision="auto", memory_format="auto")
    assert (decision.settings.precision, decision.settings.memory_format) == ("bf16", "channels_last")
    assert decision.summary == "precision bf16, memory_format channels_last (2.0 x)"


def test_decide_times_powers_of_two_and_all_cores(trained, monkeypatch):
    monkeypatch.setattr(timing, "time_steps", lambda _, variants: {name: 8 / int(name) for name in variants})
    decision = decide_for(trained, Machine(0, 6), num_threads="auto")
    assert decision.summary == "num_threads 6 (6.0 x of one)"
    monkeypatch.setattr(timing, "time_steps", lambda _, variants: {name: abs(4 - int(name)) + 1 for name in variants})
    assert decide_for(trained, Machine(0, 6), num_threads="auto").settings.num_threads == 4


@pytest.mark.parametrize(("num_rows", "num_workers", "size"), [(60_000, 0, 64), (600, 0, 16), (100, 2, 16)])
def test_first_guess_of_the_batch_size_leaves_enough_steps(num_rows, num_workers, size):
    assert make_first_guess(TrainSettings(batch_size="auto"), num_rows, num_workers).batch_size == size


def test_count_threads_is_one_for_small_operations():
    small, large = Workload(1000, 1e5, 100), Workload(1000, 1e7, 100)
    assert count_threads(small, 64, Machine(num_workers=0, num_cores=4)) == 1
    assert count_threads(large, 64, Machine(num_workers=0, num_cores=4)) == 4
    assert count_threads(large, 16, Machine(num_workers=2, num_cores=2)) == 1, "each worker has half of the batch"


def test_load_or_decide_decides_once(tmp_path):
    first, second = (Decision(ResolvedTrainSettings(seed=seed), f"seed {seed}") for seed in (1, 2))
    assert load_or_decide(tmp_path, lambda: first) == first
    assert load_or_decide(tmp_path, lambda: second) == first


def test_without_a_damaged_decision_the_training_starts_from_the_beginning(tmp_path, caplog):
    first, second = (Decision(ResolvedTrainSettings(seed=seed), f"seed {seed}") for seed in (1, 2))
    load_or_decide(tmp_path, lambda: first)
    (tmp_path / "checkpoints" / "step-1").mkdir(parents=True)
    path = tmp_path / "choice.json"
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 3'))
    assert load_or_decide(tmp_path, lambda: second) == second == load_or_decide(tmp_path, lambda: first)
    assert not (tmp_path / "checkpoints").exists()
    (line,) = caplog.messages
    assert line.startswith(f"{path}: damaged")
    assert line.endswith("; the training starts from the beginning")


def test_load_or_decide_reads_a_decision_without_a_summary(tmp_path):
    settings = ResolvedTrainSettings(learning_rate=0.5)
    (tmp_path / "choice.json").write_text(json.dumps({"settings": settings.model_dump()}))
    assert load_or_decide(tmp_path, lambda: pytest.fail("decided again")) == Decision(settings, "")
