"""Starting the sender and waiting for it; tests/tracking/test_sender.py has it against a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.errors import TrackingError
from headrace.tracking import launch
from headrace.tracking.launch import (
    add_producer,
    describe_process,
    find_dvc,
    is_alive,
    keep_sender,
    start_sender,
    wait_for_answer,
    wait_until_sent,
)
from headrace.tracking.outbox import open_outbox


def start_child():
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def test_process_is_alive_until_it_ends():
    child = start_child()
    described = describe_process(child.pid)
    assert is_alive(described)
    assert not is_alive(described | {"started": described["started"] - 6000}), "another process had this number"
    assert is_alive(described | {"host": "elsewhere"})
    child.kill()
    while is_alive(described):  # a zombie is not alive
        pass
    child.communicate()
    assert not is_alive({})


def test_block_keeps_the_sender_alive(tracked):
    with keep_sender(tracked):
        (path,) = (open_outbox(tracked).folder / "producers").iterdir()
        assert path.name == str(os.getpid())
    assert not path.exists()


def test_nothing_to_send_needs_no_sender(tracked, monkeypatch):
    monkeypatch.setattr(launch, "spawn_sender", lambda _: pytest.fail("there is nothing to send"))
    assert wait_until_sent(tracked) == 0
    assert not (tracked.root / ".headrace" / "outbox").exists()


def test_sender_that_dies_is_reported(tracked, monkeypatch):
    open_outbox(tracked).append({"kind": "stage"})
    child = start_child()
    child.communicate(b"\n")
    monkeypatch.setattr(launch, "spawn_sender", lambda _: child.pid)
    with pytest.raises(TrackingError, match=r"^MLflow: the sender ended; see .*tracking\.log, and run headrace sync"):
        wait_until_sent(tracked)


def test_answer_of_a_file_is_not_waited_for(tracked, monkeypatch):
    monkeypatch.setattr(launch, "spawn_sender", lambda _: os.getpid())
    start_sender(tracked)
    assert wait_for_answer(tracked)["state"] == "ready"


def test_answer_of_a_dead_sender_is_that_there_is_none(tracked, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    child = start_child()
    child.communicate(b"\n")
    monkeypatch.setattr(launch, "spawn_sender", lambda _: child.pid)
    start_sender(tracked)
    answer = wait_for_answer(tracked)
    assert answer["state"] == "unreachable"
    assert answer["message"].startswith("MLflow: http://127.0.0.1:9: no answer; see ")


def test_dvc_above_this_process_is_found(tmp_path):
    dvc = tmp_path / "dvc"
    code = "from headrace.tracking.launch import find_dvc; print(find_dvc())"
    dvc.write_text(
        f"#!{sys.executable}\nimport os, subprocess, sys\nprint(os.getpid(), flush=True)\n"
        f"subprocess.run([sys.executable, '-c', {code!r}])\n"
    )
    dvc.chmod(0o755)
    found = subprocess.run([str(dvc)], capture_output=True, text=True, check=True).stdout.split()
    assert found[0] == found[1]


def test_producer_is_described(tracked):
    outbox = open_outbox(tracked)
    add_producer(outbox, os.getpid())
    path = Path(outbox.folder, "producers", str(os.getpid()))
    assert path.read_text().startswith('{"host": ')
    assert find_dvc() is None or find_dvc() != os.getpid()
