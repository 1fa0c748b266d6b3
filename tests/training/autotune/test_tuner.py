"""What `auto` becomes: real measurements, and decisions that later ones build on."""

import json

import pytest

from headrace.contracts import Spec
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import WEIGHTS
from headrace.training.autotune import tuner
from headrace.training.autotune.tuner import Machine, decide, first_guess, load_or_decide
from headrace.training.autotune.workload import count_workload
from headrace.training.fit import FitJob, WorkerContext, fit
from headrace.training.settings import ResolvedTrainSettings, TrainSettings

MODEL = {"name": "cnn", "blocks": [8, "pool"], "dense": [16]}
ALL = {"learning_rate": "auto", "batch_size": "auto", "num_threads": "auto", "precision": "auto",
       "memory_format": "auto"}  # fmt: skip


def decided(paths, machine, **wanted):
    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    spec, train = Spec.read(paths.normalized_dir), open_arrays(paths.normalized_dir / "train")
    settings = TrainSettings(model=MODEL, **wanted)
    workload = count_workload(settings.model, spec, transform, train)
    return decide(settings, FitJob(str(paths.normalized_dir), "", {}), machine, workload)


def test_nothing_is_measured_where_nothing_is_auto(trained, monkeypatch):
    monkeypatch.setattr("headrace.training.autotune.timing.train_steps", lambda *_, **__: pytest.fail("measured"))
    found = decided(trained, Machine(0, 2), batch_size=50, num_threads=3)
    assert found["told"] == ""
    assert ResolvedTrainSettings(**found["settings"]).batch_size == 50
    assert (found["settings"]["num_threads"], found["settings"]["num_workers"]) == (3, 0)
    assert decided(trained, Machine(0, 2))["settings"]["num_threads"] == 1, "so small a network"


@pytest.mark.slow
def test_all_that_is_auto_is_decided_and_told(trained):
    found = decided(trained, Machine(2, 1), **ALL)
    settings = ResolvedTrainSettings(**found["settings"])
    assert settings.batch_size == 16, "an epoch of 500 rows keeps its steps, and two workers share"
    assert settings.num_workers == 2
    assert settings.num_threads == 1
    assert 1e-4 < settings.learning_rate < 5e-2
    for name in ALL:
        assert name in found["told"]


def test_ways_must_be_clearly_quicker_than_the_plain_one(trained, monkeypatch):
    seconds = {"32 contiguous": 1.0, "32 channels_last": 0.95, "bf16 contiguous": 0.92, "bf16 channels_last": 0.93}
    monkeypatch.setattr(tuner.AutoTuner, "_seconds", lambda *_: seconds)
    found = decided(trained, Machine(0, 1), precision="auto", memory_format="auto")["settings"]
    assert (found["precision"], found["memory_format"]) == ("32", "contiguous")
    seconds["bf16 channels_last"] = 0.5
    found = decided(trained, Machine(0, 1), precision="auto", memory_format="auto")
    assert (found["settings"]["precision"], found["settings"]["memory_format"]) == ("bf16", "channels_last")
    assert found["told"] == "precision bf16, memory_format channels_last (2.0 x)"


@pytest.mark.parametrize(("num_rows", "num_workers", "size"), [(60_000, 0, 64), (600, 0, 16), (100, 2, 16)])
def test_first_guess_of_the_batch_leaves_steps(num_rows, num_workers, size):
    assert first_guess(TrainSettings(batch_size="auto"), num_rows, num_workers).batch_size == size


def test_choice_is_made_once(tmp_path):
    assert load_or_decide(tmp_path, lambda: {"told": "first"}) == {"told": "first"}
    assert load_or_decide(tmp_path, lambda: {"told": "second"}) == {"told": "first"}


def test_channels_last_learns_the_same_from_the_same_rows(trained):
    """Other kernels, other roundings; the weights are kept as they are exported: contiguous."""
    losses = {}
    for memory_format in ("contiguous", "channels_last"):
        work_dir = trained.root / memory_format
        work_dir.mkdir()
        settings = {"model": MODEL, "max_epochs": 3, "batch_size": 50, "memory_format": memory_format}
        told = []
        fit(FitJob(str(trained.normalized_dir), str(work_dir), settings), told.append, WorkerContext(num_threads=1))
        losses[memory_format] = [event["val_loss"] for event in told if event["kind"] == "epoch"]
        assert (work_dir / WEIGHTS).is_file()
    assert losses["channels_last"] == pytest.approx(losses["contiguous"], rel=1e-2)
