"""The log of a job: its stream, over lost connections, and its lines."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

MAX_SECONDS_LOST = 60.0
"""Without a connection: about as long as a head node takes to restart. An attempt at a host that is gone takes 3 s."""
RAY_LINES = re.compile(r"^\S+ \S+\tINFO job_manager\.py|^Running entrypoint for job ")

Echo = Callable[[str], None]


class LogLines:
    """Joins the chunks of a log into lines. All go to a file, and all but Ray's own to the terminal."""

    def __init__(self, log: Any, echo: Echo) -> None:
        """Writes to the open file `log` and calls `echo` with each line."""
        self._log, self._echo = log, echo
        self._rest = ""
        self._num_seen = self._num_to_skip = 0
        self.last = ""

    def restart(self) -> None:
        """Expects the log again from its first line, and skips the lines it has had."""
        self._rest, self._num_to_skip, self._num_seen = "", self._num_seen, 0

    def add(self, chunk: str) -> None:
        """Adds a chunk; a line is written once it is complete."""
        *lines, self._rest = (self._rest + chunk).split("\n")
        for line in lines:
            self._num_seen += 1
            if self._num_seen > self._num_to_skip:
                self._write(line)

    def end(self) -> None:
        """Writes a last line without a newline."""
        if self._rest:
            self.add("\n")

    def _write(self, line: str) -> None:
        self._log.write(line + "\n")
        if not RAY_LINES.match(line):
            self._echo(line)
            self.last = line.strip() or self.last


async def stream_log(client: Any, submission_id: str, lines: LogLines) -> str:
    """Streams a job's log until the job ends, reconnecting as necessary; returns the last line."""
    import aiohttp

    seen_at = time.monotonic()
    while time.monotonic() < seen_at + MAX_SECONDS_LOST:
        try:
            async for chunk in client.tail_job_logs(submission_id):
                lines.add(chunk)
                seen_at = time.monotonic()
            if client.get_job_status(submission_id).is_terminal():
                lines.end()
                return lines.last
        except (RuntimeError, OSError, aiohttp.ClientError):
            lines.restart()
        else:
            lines.restart()
        await asyncio.sleep(1)
    raise ConnectionError(f"not reachable for {MAX_SECONDS_LOST:.0f} s")
