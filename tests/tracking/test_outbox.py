"""The outbox: numbered, complete after a kill, shared by processes."""

import json
import os
import signal
import subprocess
import sys

import pytest

from headrace.paths import Paths
from headrace.tracking.outbox import Outbox, find_outboxes, name_destination, open_outbox


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "outbox" / "local-1")


def numbers(outbox):
    return [event["number"] for event in outbox.read_pending()]


def test_events_are_numbered_and_timed(outbox):
    assert [outbox.append({"kind": kind}) for kind in "ab"] == [1, 2]
    assert Outbox(outbox.folder).append({"kind": "c"}) == 3
    events = outbox.read_pending()
    assert [(event["number"], event["kind"]) for event in events] == [(1, "a"), (2, "b"), (3, "c")]
    assert all(event["time"] > 1.6e12 for event in events)


def test_what_was_sent_is_not_pending(outbox):
    for _ in range(3):
        outbox.append({"kind": "a"})
    outbox.write_position({"number": 2, "open": {"key": {}}})
    assert numbers(outbox) == [3]
    assert outbox.read_position() == {"number": 2, "open": {"key": {}}}


def test_numbers_go_on_after_clearing(outbox, tmp_path):
    (tmp_path / "report").write_text("text")
    outbox.append({"kind": "a"}, {"reports/x": tmp_path / "report"})
    outbox.write_position({"number": 1, "open": {}})
    outbox.clear()
    assert outbox.read() == ([], 0)
    assert not (outbox.folder / "files").exists()
    assert outbox.append({"kind": "b"}) == 2
    assert Outbox(outbox.folder).append({"kind": "b"}) == 3


@pytest.mark.parametrize("partial", ['{"number": 3, "ki', "\x00"])
def test_half_a_line_of_a_killed_process_is_harmless(outbox, partial):
    for _ in range(2):
        outbox.append({"kind": "a"})
    with outbox.events_path.open("a") as file:
        file.write(partial)
    assert numbers(outbox) == [1, 2]
    assert outbox.append({"kind": "b"}) == 3
    assert numbers(outbox) == [1, 2, 3]


def test_half_a_first_line_is_harmless(outbox):
    outbox.append({"kind": "a"})
    outbox.events_path.write_text('{"numb')
    assert numbers(outbox) == []
    outbox.append({"kind": "b"})
    assert numbers(outbox) == [1]


def test_files_are_copied_once_by_content(outbox, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("first")
    outbox.append({"kind": "stage"}, {"reports/a.html": path, "reports/b.html": path})
    path.write_text("second")
    outbox.append({"kind": "stage"}, {"reports/a.html": path})
    path.unlink()
    first, second = (event["files"] for event in outbox.read_pending())
    assert first["reports/a.html"] == first["reports/b.html"] != second["reports/a.html"]
    assert outbox.file_path(first["reports/a.html"]).read_text() == "first"
    assert outbox.file_path(second["reports/a.html"]).read_text() == "second"
    assert len(list((outbox.folder / "files").iterdir())) == 2


def test_processes_append_at_the_same_time(outbox):
    code = (
        "import sys; from pathlib import Path; from headrace.tracking.outbox import Outbox\n"
        "outbox = Outbox(Path(sys.argv[1]))\n"
        "for index in range(200): outbox.append({'kind': sys.argv[2], 'index': index})"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(outbox.folder), name]) for name in "ab"]
    assert [process.wait(60) for process in processes] == [0, 0]
    events = outbox.read_pending()
    assert [event["number"] for event in events] == list(range(1, 401))
    for name in "ab":
        assert [event["index"] for event in events if event["kind"] == name] == list(range(200))


@pytest.mark.faults
def test_killed_process_leaves_complete_events(outbox):
    code = (
        "import sys; from pathlib import Path; from headrace.tracking.outbox import Outbox\n"
        "outbox = Outbox(Path(sys.argv[1]))\n"
        "for index in range(10**6): print(outbox.append({'kind': 'a', 'text': 'x' * 5000}), flush=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(outbox.folder)], stdout=subprocess.PIPE, text=True)
    acknowledged = 0
    while acknowledged < 50:
        acknowledged = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    acknowledged = int([str(acknowledged), *process.communicate()[0].splitlines()][-1])
    following = outbox.append({"kind": "b"})
    assert following > acknowledged
    assert numbers(outbox) == list(range(1, following + 1))


def test_rejected_events_are_kept_with_the_reason(outbox):
    outbox.append({"kind": "a"})
    assert outbox.count_rejected() == 0
    outbox.reject(outbox.read_pending()[0], "no\nsuch run")
    assert outbox.count_rejected() == 1
    assert json.loads(outbox.rejected_path.read_text())["reason"] == "no\nsuch run"


def test_destinations_have_folders_without_passwords(tmp_path, monkeypatch):
    paths = Paths(tmp_path)
    names = set()
    for uri in ("", "http://me:secret@one", "http://two"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        names.add(name_destination(paths))
        open_outbox(paths).append({"kind": "a"})
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    names.add(name_destination(paths))
    assert len(names) == 4
    assert not [name for name in names if "secret" in name]
    assert {outbox.folder.name for outbox in find_outboxes(paths)} < names
    assert sum(len(outbox.read_pending()) for outbox in find_outboxes(paths)) == 3


def test_own_registry_keeps_its_outbox_when_the_project_moves(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert name_destination(Paths(tmp_path / "a")) == name_destination(Paths(tmp_path / "b"))
