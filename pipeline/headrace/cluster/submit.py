"""Submits the pipeline as a Ray job, follows its log and fetches its results, all through the dashboard."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import shlex
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from headrace.cluster.results import archive_name, unpack_results
from headrace.cluster.upload import make_job_environment, make_python_path, pack_project
from headrace.errors import ClusterError
from headrace.paths import Paths
from headrace.tracking.lineage import COMMIT_VARIABLE, read_git_commit

ENTRYPOINT = "python -m headrace.cluster.job"
CONNECT_TIMEOUT_S = 10
FETCH_TIMEOUT_S = 600
MAX_RECONNECTIONS = 60
"""In a row, one second apart: about as long as a head node takes to restart."""
RAY_LINES = re.compile(r"^\S+ \S+\tINFO job_manager\.py|^Running entrypoint for job ")

Echo = Callable[[str], None]


def submit_job(paths: Paths, *, address: str, wait: bool, echo: Echo) -> int | None:
    """Runs `dvc repro` on the cluster whose dashboard is at `address`; `echo` prints a line on the terminal.

    With `wait`, follows the log, installs the results in the project and returns the exit code (130 after Ctrl-C,
    which leaves the job running). Otherwise returns None at once.

    Raises:
        ClusterError: The cluster is not reachable or was lost, or the project is too large.
    """
    client = _connect(address)
    submission_id = f"headrace-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    # the upload has no .git, so the cluster cannot look up the commit
    environment = (
        make_job_environment(os.environ)
        | {COMMIT_VARIABLE: read_git_commit(paths.root)[0]}
        | make_python_path(paths.root)
    )
    with tempfile.TemporaryDirectory() as folder:
        archive_path = Path(folder) / "project.zip"
        pack_project(paths, archive_path)
        with _translate_ray_errors(address):
            client.submit_job(
                entrypoint=ENTRYPOINT,
                submission_id=submission_id,
                runtime_env={"working_dir": str(archive_path), "env_vars": environment},
            )
    echo(f"submitted {submission_id} to {address}")
    if wait:
        return follow_job(paths, submission_id, address=address, echo=echo)
    echo(_ways_to_follow(address, submission_id))
    return None


def follow_job(paths: Paths, submission_id: str, *, address: str, echo: Echo) -> int:
    """Follows a submitted job, installs its results and returns its exit code, like `submit_job` with `wait`."""
    client = _connect(address)
    log_path = paths.logs_dir / f"{submission_id}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log_path.open("w", encoding="utf-8") as log, _translate_ray_errors(address):
            last_line = asyncio.run(stream_log(client, submission_id, LogLines(log, echo)))
            info = client.get_job_info(submission_id)
            packed = _fetch_results(client, info)
    except KeyboardInterrupt:
        echo(f"the job continues; {_ways_to_follow(address, submission_id)}")
        return 130
    if packed:
        results = unpack_results(packed, paths)
        echo(f"results: {', '.join(results) or 'none'}")
    return exit_code_of(info, last_line, log_path.relative_to(paths.root), echo)


def exit_code_of(info: Any, last_line: str, log_path: Path, echo: Echo) -> int:
    """Returns the exit code of a finished job; raises ClusterError if it did not start or was stopped."""
    if info.driver_exit_code is None:
        reason = (info.message or "no reason given").strip().splitlines()[0]
        raise ClusterError(f"submit: the job ended as {info.status.value} ({reason}); its log: {log_path}")
    if info.driver_exit_code:
        echo(f"submit: the job ended with exit code {info.driver_exit_code} ({last_line}); its log: {log_path}")
    return int(info.driver_exit_code)


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

    num_failures = 0
    while num_failures < MAX_RECONNECTIONS:
        num_failures += 1
        try:
            async for chunk in client.tail_job_logs(submission_id):
                lines.add(chunk)
                num_failures = 0
            if client.get_job_status(submission_id).is_terminal():
                lines.end()
                return lines.last
        except (RuntimeError, OSError, aiohttp.ClientError):
            lines.restart()
        else:
            lines.restart()
        await asyncio.sleep(1)
    raise ConnectionError("the connection was lost too often")


def _fetch_results(client: Any, info: Any) -> bytes | None:
    """Downloads the archive that the job wrote next to its log; None if it wrote none."""
    if not info.driver_node_id:
        return None
    query = {
        "node_id": info.driver_node_id,
        "filename": archive_name(info.submission_id),
        "lines": -1,
        "timeout": FETCH_TIMEOUT_S,
    }
    # the public ray.util.state.get_log needs another port; this call also sends Ray's own headers
    response = client._do_request("GET", f"/api/v0/logs/file?{urlencode(query)}")  # noqa: SLF001
    return bytes(response.content) if response.ok else None


def _connect(address: str) -> Any:
    """Returns Ray's client, after checking that the address is a Ray dashboard."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClusterError(f"--address: {address!r} is not a URL of a dashboard; write http://127.0.0.1:8265")
    if "@" in parts.netloc:
        raise ClusterError("--address: must not contain a user or password; set RAY_AUTH_TOKEN instead")
    headers = _token_headers()
    _check_is_ray(address.rstrip("/"), headers)
    from ray.job_submission import JobSubmissionClient

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.dashboard").setLevel(logging.ERROR)
    for name in ("sdk", "dashboard_sdk"):  # Ray sets these two to INFO when it is imported
        logging.getLogger(f"ray.dashboard.modules.job.{name}").setLevel(logging.ERROR)
        logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.ERROR)
    with _translate_ray_errors(address), _unset("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):  # they override `address`
        return JobSubmissionClient(address, headers=headers)


def _check_is_ray(address: str, headers: dict[str, str]) -> None:
    """Requests the version, since Ray's client may wait forever or end in a traceback."""
    request = urllib.request.Request(f"{address}/api/version", headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S) as response:  # noqa: S310
            is_ray = "ray_version" in json.load(response)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise ClusterError(
                f"{address}: requires another token; set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to that of the cluster "
                "(on its head node: ray get-auth-token)"
            ) from None
        is_ray = False
    except ValueError:
        is_ray = False
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ClusterError(
            f"{address}: not reachable ({reason}); start Ray there, or open the tunnel: ssh -L 8265:127.0.0.1:8265 HEAD"
        ) from None
    if not is_ray:
        raise ClusterError(f"{address}: responds, but is not a Ray dashboard; its default port is 8265")


def _token_headers() -> dict[str, str]:
    """Returns the header with Ray's token (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token), if there is one.

    Ray's client sends it only under RAY_AUTH_MODE=token, but clusters that have a token always require it.
    """
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return {}
    token = os.environ.get("RAY_AUTH_TOKEN")
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    with contextlib.suppress(OSError):
        token = token or path.read_text(encoding="utf-8")
    return {"Authorization": f"Bearer {token.strip()}"} if token else {}


def _ways_to_follow(address: str, submission_id: str) -> str:
    mode = "RAY_AUTH_MODE=token " if _token_headers() else ""
    place = f"--address {shlex.quote(address)} {submission_id}"
    return f"follow it: {mode}ray job logs --follow {place}; stop it: {mode}ray job stop {place}"


@contextlib.contextmanager
def _translate_ray_errors(address: str) -> Iterator[None]:
    """Turns whatever Ray's client raises into a ClusterError."""
    import requests
    from ray.exceptions import RayError

    try:
        yield
    except (RuntimeError, OSError, ValueError, requests.RequestException, RayError) as error:
        if isinstance(error, ClusterError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(
            f"{address}: {reason[:300]}; check the dashboard, then run the same command again"
        ) from error


@contextlib.contextmanager
def _unset(*names: str) -> Iterator[None]:
    """Unsets environment variables temporarily."""
    saved = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(saved)
