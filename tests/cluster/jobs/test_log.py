"""The log of a job: lines out of chunks, over lost connections; real jobs run in tests/e2e/test_submit.py."""

import asyncio
import io
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.cluster.jobs import log
from headrace.cluster.jobs.log import LogLines, stream_log


def test_log_lines_are_joined_and_echoed_without_those_of_ray() -> None:
    file, echoed = io.StringIO(), list[str]()
    lines = LogLines(file, echoed.append)
    for chunk in (
        "2026-01-01 10:00:00,000\tINFO job_manager.py:581 -- Runtime",
        " env is setting up.\nRunning entrypoint for job x: y\nfir", "st\nse", "cond",
    ):  # fmt: skip
        lines.add(chunk)
    lines.end()
    assert echoed == ["first", "second"]
    assert lines.last == "second"
    assert len(file.getvalue().splitlines()) == 4


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
    seconds = iter(range(0, 200, 20))
    monkeypatch.setattr(log, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    monkeypatch.setattr(asyncio, "sleep", no_wait)
    client = Gone()
    with pytest.raises(ConnectionError, match="not reachable for 60 s"):
        asyncio.run(stream_log(client, "a", LogLines(io.StringIO(), print)))
    assert client.num_calls == 2


async def no_wait(_: float) -> None:
    """In place of the pause between attempts."""
