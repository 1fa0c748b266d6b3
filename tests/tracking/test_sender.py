"""The sender: a real process against a real server, with outages and kills."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from headrace.errors import TrackingError
from headrace.storage.bundle import read_bundle
from headrace.tracking import launch
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.launch import add_producer, is_alive, keep_sender, start_sender, wait_until_sent
from headrace.tracking.outbox import open_outbox
from headrace.tracking.recorder import record_training

pytestmark = [pytest.mark.slow, pytest.mark.faults]
EPOCHS = [
    {"kind": "epoch", "epoch": epoch, "step": 10 * (epoch + 1), "val_loss": 1 / (epoch + 1)} for epoch in range(6)
]
STEPS = [epoch["step"] for epoch in EPOCHS]
TRAINING = """
import json, os, signal, sys
from pathlib import Path
from headrace.paths import Paths
from headrace.storage.bundle import read_bundle
from headrace.tracking.launch import keep_sender
from headrace.tracking.recorder import record_training
paths, work_dir, epochs, is_killed = Paths(Path(sys.argv[1])), Path(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
with keep_sender(paths), record_training(paths, read_bundle(paths.trained_dir).card, work_dir) as recorder:
    for epoch in epochs:
        recorder.observe(epoch)
    if is_killed == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""
"""A training in a process of its own, which is killed before it ends."""


@pytest.fixture
def real(tracked, monkeypatch):
    """The sender is the real process, in place of the tests' thread."""
    monkeypatch.setattr(launch, "spawn_sender", REAL_SPAWN)
    return tracked


REAL_SPAWN = launch.spawn_sender


def all_runs(paths):
    client = connect(paths)
    return client, client.search_runs([find_or_create_experiment(client, paths)])


def steps_of(paths, name="fit/val_loss"):
    client, (run,) = all_runs(paths)
    return [metric.step for metric in client.get_metric_history(run.info.run_id, name)]


def wait_for(condition):
    """Waits for a condition that must come true."""
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


def sender_pid(paths):
    return open_outbox(paths).read_status()["process"].get("pid")


def has_ended(paths):
    return not is_alive(open_outbox(paths).read_status()["process"])


def run_training(paths, work_dir, epochs, ending):
    command = [sys.executable, "-c", TRAINING, str(paths.root), str(work_dir), json.dumps(epochs), ending]
    return subprocess.run(command, capture_output=True, text=True)


def test_outage_in_the_middle_loses_nothing(real, server, monkeypatch, tmp_path):
    address, process = server()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with keep_sender(real), record_training(real, read_bundle(real.trained_dir).card, tmp_path / "work") as recorder:
        for epoch in EPOCHS[:2]:
            recorder.observe(epoch)
        wait_until_sent(real)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for epoch in EPOCHS[2:]:
            recorder.observe(epoch)
        recorder.history = EPOCHS
    wait_for(lambda: has_ended(real))
    assert open_outbox(real).read_status()["state"] == "unreachable"
    with pytest.raises(TrackingError, match=r"start that server.*\(5 events wait in .*headrace sync sends them\)$"):
        wait_until_sent(real)
    server(int(address.rpartition(":")[2]))
    assert steps_of(real) == STEPS[:2]
    done = subprocess.run([sys.executable, "-m", "headrace", "sync"], cwd=real.root, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"sent 5 events to {address}; none are left"
    _, (run,) = all_runs(real)
    assert run.info.status == "FINISHED"
    assert steps_of(real) == STEPS


def test_outage_before_the_training_is_one_warning(real, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with keep_sender(real), record_training(real, read_bundle(real.trained_dir).card, tmp_path / "work") as recorder:
        recorder.observe(EPOCHS[0])
    (warning,) = caplog.messages
    assert warning.startswith("MLFLOW_TRACKING_URI: http://127.0.0.1:9: ")
    assert warning.endswith("; the training continues, and is recorded later")
    wait_for(lambda: has_ended(real))
    texts = [path.read_text() for path in real.state_dir.rglob("*") if path.is_file()]
    assert not [text for text in texts if "secret" in text]


def test_deleted_experiment_is_refused_before_the_training(real, server, monkeypatch, tmp_path):
    address, _ = server()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    client = connect(real)
    client.delete_experiment(find_or_create_experiment(client, real))
    trained, card = [], read_bundle(real.trained_dir).card
    with pytest.raises(TrackingError) as caught, keep_sender(real), record_training(real, card, tmp_path / "work"):
        trained.append(1)
    assert "the experiment 'headrace' was deleted; restore it: mlflow experiments restore" in str(caught.value)
    assert not trained
    assert not open_outbox(real).read_pending()


def test_killed_training_is_closed_and_its_resumption_is_whole(real, tmp_path):
    killed = run_training(real, tmp_path / "work", EPOCHS[:3], "killed")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    wait_for(lambda: has_ended(real))
    _, (run,) = all_runs(real)
    assert run.info.status == "KILLED"
    resumed = run_training(real, tmp_path / "work", EPOCHS[1:], "ends")  # from the state before the last epochs
    assert resumed.returncode == 0, resumed.stderr
    wait_for(lambda: has_ended(real))
    _, (again,) = all_runs(real)
    assert again.info.run_id == run.info.run_id
    assert again.info.status == "FINISHED"
    assert steps_of(real) == STEPS


def test_training_killed_in_its_export_keeps_its_curves(real, tmp_path):
    run_training(real, tmp_path / "work", EPOCHS, "killed")
    run_training(real, tmp_path / "work", [], "ends")  # the result existed: nothing is trained again
    wait_for(lambda: has_ended(real))
    _, (run,) = all_runs(real)
    assert run.info.status == "FINISHED"
    assert steps_of(real) == STEPS


def test_sender_killed_at_any_event_sends_the_rest_once(real, tmp_path):
    with keep_sender(real), record_training(real, read_bundle(real.trained_dir).card, tmp_path / "work") as recorder:
        for index, epoch in enumerate(EPOCHS):
            recorder.observe(epoch)
            if index % 2:
                wait_until_sent(real)  # and so is the process ready
                os.kill(sender_pid(real), signal.SIGKILL)
                wait_for(lambda: has_ended(real))
    wait_until_sent(real)
    _, (run,) = all_runs(real)
    assert run.info.status == "FINISHED"
    assert steps_of(real) == STEPS


def test_one_sender_serves_all_and_ends_with_its_producers(real):
    producer = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    add_producer(open_outbox(real), producer.pid)
    start_sender(real)
    wait_for(lambda: open_outbox(real).read_status()["state"] == "ready")
    pid = sender_pid(real)
    with keep_sender(real):
        start_sender(real)
    assert sender_pid(real) == pid
    assert is_alive(open_outbox(real).read_status()["process"])
    assert os.getsid(pid) == pid, "no signal of this terminal reaches it"
    second = subprocess.run([sys.executable, "-m", "headrace", "send", str(real.root)], capture_output=True, text=True)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert psutil.Process(pid).is_running()
    producer.communicate(b"\n")
    wait_for(lambda: has_ended(real))
    assert not list((open_outbox(real).folder / "producers").iterdir())


def test_events_during_the_end_of_a_sender_are_not_forgotten(real, tmp_path):
    card = read_bundle(real.trained_dir).card
    for index in range(4):  # each ends while the sender of the one before may be ending
        with record_training(real, card, tmp_path / "work") as recorder:
            recorder.observe(EPOCHS[index])
        start_sender(real)
        time.sleep(0.4 * index)
    wait_for(lambda: has_ended(real))
    assert not open_outbox(real).read_pending()
    assert steps_of(real) == STEPS[:4]
