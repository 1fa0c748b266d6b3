"""Training on real Ray workers: the same batches, the same noise, events from rank 0, and errors."""

from contextlib import suppress
from ipaddress import ip_address

import numpy as np
import psutil
import pytest
from safetensors.torch import load_file

from headrace.cluster.session import num_local_cpus, ray_session
from headrace.cluster.training import fit_on_workers
from headrace.cluster.workers.errors import WorkerBug
from headrace.errors import ClusterError, ConfigError
from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.training.fit import PRIVACY_KEY, FitJob, WorkerContext, fit, read_result
from headrace.training.settings import ResolvedTrainSettings

MODEL = {"name": "cnn", "blocks": [8, "pool"], "dense": [16], "dropout": 0.2}
SETTINGS = {"model": MODEL, "max_epochs": 3, "batch_size": 44}
PRIVATE = {**SETTINGS, "model": {**MODEL, "activation": "tanh"}, "privacy": {"epsilon": 10.0}}
OPTIONS = {"accumulate": 3, "sampling": "balanced", "optimizer": "adamw", "early_stopping": {"max_minutes": 60.0}}


def job_in(paths, name, **changes):
    work_dir = paths.state_dir / "train" / name
    work_dir.mkdir(parents=True)
    settings = ResolvedTrainSettings(**{**SETTINGS, **changes})
    return FitJob(paths.normalized_dir, work_dir, settings), work_dir


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A session that the tests share; the processes before it, such as the cluster of other tests."""
    processes = set(psutil.Process().children())
    with ray_session(Paths(tmp_path_factory.mktemp("ray")), num_cpus_needed=min(2, num_local_cpus())):
        yield processes


def is_loopback(ip):
    address = ip_address(ip)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(num_local_cpus() < 2, reason="two workers take two cores")
@pytest.mark.parametrize(
    "changes",
    [{}, {**OPTIONS, "ema": 0.9, "l1": 1e-3}, {**OPTIONS, "strategy": "fsdp"}, PRIVATE],
    ids=["plain", "options", "fsdp", "private"],
)
def test_two_workers_train_as_one(trained, earlier, changes):
    """The only difference is the order of float sums, even for the last, short batch (500 % 44), and with dropout."""
    alone, alone_dir = job_in(trained, "alone", **{**changes, "strategy": "ddp"})
    both, both_dir = job_in(trained, "both", num_workers=2, **changes)
    if "privacy" in changes:
        for folder in (alone_dir, both_dir):
            (folder / PRIVACY_KEY).write_bytes(b"k" * 32)
    fit(alone, lambda _: None, WorkerContext(num_threads=1))
    events, running, listening = [], set(), set()

    def observe(event):
        events.append(event)
        for child in set(psutil.Process().children()) - earlier:
            with suppress(psutil.NoSuchProcess):
                for process in (child, *child.children(recursive=True)):
                    running.add(process.name())
                    connections = process.net_connections("inet")
                    listening.update(
                        (c.laddr.ip, process.name()) for c in connections if c.status == psutil.CONN_LISTEN
                    )

    fit_on_workers(both, observe, num_workers=2, num_threads=1, paths=trained)
    assert any(name.startswith("ray::TrainController") for name in running)
    assert listening
    assert not {each for each in listening if not is_loopback(each[0])}, "nobody outside of this machine can connect"
    assert not {name for name in running if "Autoscaling" in name}, "the mailbox takes its place"
    first, second = read_result(alone_dir), read_result(both_dir)
    assert first["steps"] == second["steps"] == 36
    assert first["privacy"] == second["privacy"]
    names = ("train_loss", "val_loss", "val_accuracy")
    for mine, theirs in zip(first["history"], second["history"], strict=True):
        assert [mine[name] for name in names] == pytest.approx([theirs[name] for name in names], rel=1e-6)
    epochs = [event for event in events if event["kind"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [0, 1, 2]
    assert epochs[-1]["val_loss"] == second["history"][-1]["val_loss"]
    assert all(np.isfinite(event["learning_rate"]) for event in events)
    mine, theirs = (load_file(folder / WEIGHTS) for folder in (alone_dir, both_dir))
    for name, weights in mine.items():
        assert weights == pytest.approx(theirs[name], rel=1e-5, abs=1e-6)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("Lost", ClusterError, "a worker was lost"),
        ("Own", WorkerBug, "odd_nets.TwoArguments: age in row 5"),
        ("Reads", ConfigError, "words.txt holds: plain words"),
    ],
)
@pytest.mark.usefixtures("earlier")
def test_errors_of_workers_name_their_cause(trained, tmp_path, monkeypatch, *, name, error, message):
    (tmp_path / "odd_nets.py").write_text(ODD_NETS)
    (tmp_path / "words.txt").write_text("plain words")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    job, work_dir = job_in(trained, name, model={"name": f"odd_nets:{name}"})
    with pytest.raises(error) as caught:
        fit_on_workers(job, lambda _: None, num_workers=1, num_threads=1, paths=trained)
    assert message in str(caught.value)
    assert isinstance(caught.value, ClusterError) == (name == "Lost")
    assert "memory" not in str(caught.value) or name == "Lost"
    assert read_result(work_dir) is None


ODD_NETS = """
import os
from pathlib import Path
from headrace.errors import ConfigError


class TwoArguments(Exception):
    def __init__(self, column, row):
        super().__init__(f"{column} in row {row}")


class Lost:
    def build(self, input_shape, num_outputs):
        os._exit(1)


class Own:
    def build(self, input_shape, num_outputs):
        raise TwoArguments("age", 5)  # pickle cannot restore it


class Reads:
    def build(self, input_shape, num_outputs):
        raise ConfigError("words.txt holds: " + Path("words.txt").read_text())
"""
