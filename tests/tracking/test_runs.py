"""Runs: logged once, rebuilt if missing, never left RUNNING, and no reason for a training to fail."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from headrace.errors import TrackingError
from headrace.storage.atomic import write_json
from headrace.storage.bundle import read_bundle
from headrace.tracking import runs
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.runs import HOLDER, find_run, start_run, sync_run_from_files

EVENT = {"kind": "epoch", "epoch": 0, "step": 7, "val_loss": 0.5, "learning_rate": 0.01, "samples_per_second": 10.0}


def all_runs(paths):
    client = connect(paths)
    return client.search_runs([find_or_create_experiment(client, paths)])


def test_unknown_run_is_rebuilt_from_files(tracked):
    run_id = sync_run_from_files(tracked, ["ingest", "train", "validate"])
    (stored,) = all_runs(tracked)
    assert stored.info.run_id == run_id
    assert stored.info.status == "FINISHED"
    assert stored.data.metrics["train/val_accuracy"] == 0.75
    assert stored.data.metrics["ingest/rows"] == 900
    assert not [name for name in stored.data.metrics if name.startswith("validate/")]
    history = connect(tracked).get_metric_history(run_id, "fit/val_loss")
    assert [(metric.step, metric.value) for metric in history] == [(10, 1.25), (20, 0.75)]


@pytest.mark.slow
def test_stage_is_logged_once_and_again_when_it_changes(tracked):
    run_id = sync_run_from_files(tracked, ["train"])
    assert sync_run_from_files(tracked, ["train"]) == run_id
    client = connect(tracked)
    assert len(client.get_metric_history(run_id, "train/val_accuracy")) == 1
    write_json(tracked.metrics_path("train"), {"val_accuracy": 0.5})
    sync_run_from_files(tracked, ["train"])
    assert [metric.value for metric in client.get_metric_history(run_id, "train/val_accuracy")] == [0.75, 0.5]


def test_steps_are_logged_at_intervals_and_every_epoch(tracked, monkeypatch):
    times = iter([10.0, 10.0, 11.5, 12.5, 12.5])  # read once for a skipped step, else twice
    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: next(times), time=time.time))
    with start_run(tracked, read_bundle(tracked.trained_dir).card) as run:
        for step in (1, 2, 3):
            run.observe({"kind": "step", "step": step, "loss": 2.0})
            run.observe({**EVENT, "step": step})
    client = connect(tracked)
    steps = {
        name: [metric.step for metric in client.get_metric_history(run.run_id, f"fit/{name}")]
        for name in ("loss", "val_loss")
    }
    assert steps["loss"] == [1, 3]
    assert steps["val_loss"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")],
)
def test_run_ends_with_its_training(tracked, error, status):
    card = read_bundle(tracked.trained_dir).card

    def train():
        with start_run(tracked, card) as run:
            run.observe(EVENT)
            if error:
                raise error

    if error:
        with pytest.raises(error):
            train()
    else:
        train()
    (stored,) = all_runs(tracked)
    assert stored.info.status == status
    assert stored.data.metrics["fit/val_loss"] == 0.5


@pytest.mark.slow
def test_run_of_a_killed_process_is_closed_by_the_next_training(tracked):
    code = f"""
import os, signal
from pathlib import Path
from headrace.paths import Paths
from headrace.storage.bundle import read_bundle
from headrace.tracking.runs import start_run
paths = Paths(Path({str(tracked.root)!r}))
with start_run(paths, read_bundle(paths.trained_dir).card):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL
    (orphan,) = all_runs(tracked)
    assert orphan.info.status == "RUNNING"
    with start_run(tracked, read_bundle(tracked.trained_dir).card):
        statuses = {run.info.run_id: run.info.status for run in all_runs(tracked)}
        assert statuses.pop(orphan.info.run_id) == "KILLED"
        assert list(statuses.values()) == ["RUNNING"], "a live run is left alone"
        (mine,) = [run for run in all_runs(tracked) if run.info.status == "RUNNING"]
        assert mine.data.tags[HOLDER].endswith(f":{os.getpid()}")


def test_newest_run_of_a_training_is_found(tracked):
    card = read_bundle(tracked.trained_dir).card
    with start_run(tracked, card):
        pass
    with start_run(tracked, card) as second:
        pass
    assert find_run(connect(tracked), tracked, card.training_id) == second.run_id


@pytest.mark.slow
def test_outage_in_the_middle_loses_nothing(tracked, server, monkeypatch, caplog):
    address, process = server()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    card = read_bundle(tracked.trained_dir).card
    with start_run(tracked, card) as run:
        run.observe(EVENT)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        run.observe(EVENT | {"step": 8})
        run.observe(EVENT | {"step": 9})
    assert sum("MLflow does not respond" in message for message in caplog.messages) == 2, (
        "once for steps, once for the end"
    )
    with pytest.raises(TrackingError, match="start that server"):
        sync_run_from_files(tracked, ["train"])
    server(int(address.rpartition(":")[2]))
    run_id = sync_run_from_files(tracked, ["ingest", "train"])
    (stored,) = all_runs(tracked)
    assert stored.info.run_id == run_id == run.run_id
    assert stored.data.metrics["train/val_accuracy"] == 0.75
