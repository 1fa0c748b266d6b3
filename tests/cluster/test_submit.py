"""Submitting: requests that are refused, and the log; real jobs run in tests/e2e/test_submit.py."""

import asyncio
import io
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.cluster.submit import MAX_RECONNECTIONS, LogLines, exit_code_of, stream_log, submit_job
from headrace.errors import ClusterError
from headrace.paths import Paths


def test_log_lines_are_joined_and_echoed_without_those_of_ray() -> None:
    log, echoed = io.StringIO(), list[str]()
    lines = LogLines(log, echoed.append)
    for chunk in (
        "2026-01-01 10:00:00,000\tINFO job_manager.py:581 -- Runtime",
        " env is setting up.\nRunning entrypoint for job x: y\nfir", "st\nse", "cond",
    ):  # fmt: skip
        lines.add(chunk)
    lines.end()
    assert echoed == ["first", "second"]
    assert lines.last == "second"
    assert len(log.getvalue().splitlines()) == 4


class Cuts:
    """A client whose connection breaks once; each connection sends the log from its beginning."""

    def __init__(self) -> None:
        self.num_calls = 0

    async def tail_job_logs(self, submission_id: str) -> AsyncIterator[str]:
        self.num_calls += 1
        yield f"first of {submission_id}\nsecond\n"
        if self.num_calls == 1:
            raise RuntimeError("WebSocket connection closed unexpectedly")
        yield "third\n"

    def get_job_status(self, _: str) -> Any:
        return SimpleNamespace(is_terminal=lambda: True)


def test_stream_log_over_a_lost_connection_echoes_each_line_once() -> None:
    echoed: list[str] = []
    last = asyncio.run(stream_log(Cuts(), "a", LogLines(io.StringIO(), echoed.append)))
    assert echoed == ["first of a", "second", "third"]
    assert last == "third"


class Gone(Cuts):
    """A cluster that went away."""

    async def tail_job_logs(self, submission_id: str) -> AsyncIterator[str]:
        self.num_calls += 1
        if submission_id:
            raise ConnectionRefusedError
        yield ""


def test_stream_log_of_a_lost_cluster_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_wait(_: float) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", no_wait)
    client = Gone()
    with pytest.raises(ConnectionError, match="lost too often"):
        asyncio.run(stream_log(client, "a", LogLines(io.StringIO(), print)))
    assert client.num_calls == MAX_RECONNECTIONS


def test_exit_code_of_a_job_that_did_not_start_is_an_error() -> None:
    info = SimpleNamespace(driver_exit_code=None, message="no room\nfor it", status=SimpleNamespace(value="FAILED"))
    with pytest.raises(ClusterError, match=r"ended as FAILED \(no room\); its log: a\.log"):
        exit_code_of(info, "", Path("a.log"), print)


class Stranger(BaseHTTPRequestHandler):
    """A server that is not Ray."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def refusal(folder: Path, address: str) -> str:
    with pytest.raises(ClusterError) as caught:
        submit_job(Paths(folder), address=address, wait=True, echo=print)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_submit_to_a_closed_port_is_refused_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert refusal(tmp_path, address).startswith(f"{address}: not reachable (")


def test_submit_to_another_server_is_refused_in_one_line(tmp_path: Path, stranger: str) -> None:
    assert "is not a Ray dashboard" in refusal(tmp_path, stranger)


@pytest.mark.parametrize("address", ["127.0.0.1:8265", "auto", "some_module://x", "http://"])
def test_submit_to_an_invalid_address_is_refused_in_one_line(tmp_path: Path, address: str) -> None:
    assert refusal(tmp_path, address).startswith("--address: ")


def test_submit_with_a_password_in_the_address_is_refused_without_printing_it(tmp_path: Path) -> None:
    assert "hunter2" not in refusal(tmp_path, "http://me:hunter2@127.0.0.1:1")
