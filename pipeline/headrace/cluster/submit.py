"""The whole pipeline as a job of a Ray cluster, through its dashboard's one address: up, along, and back."""

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
"""In a row, a second apart: as long as a head takes to come back."""
RAYS_OWN_LINES = re.compile(r"^\S+ \S+\tINFO job_manager\.py|^Running entrypoint for job ")

Echo = Callable[[str], None]


def submit_job(paths: Paths, *, address: str, wait: bool, echo: Echo) -> int | None:
    """Runs `dvc repro` on the cluster whose dashboard is at `address`; lines for the terminal go to `echo`.

    With `wait` its log is followed, its results are put into the project, and its exit code is returned (130 after
    Ctrl-C, which leaves the job running); without, None.

    Raises:
        ClusterError: Not reachable, too large, or lost, in one line.
    """
    client = _connect(address)
    submission_id = f"headrace-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    # the upload has no .git: without this the runs of a cluster would name no commit
    environment = (
        make_job_environment(os.environ)
        | {COMMIT_VARIABLE: read_git_commit(paths.root)[0]}
        | make_python_path(paths.root)
    )
    with tempfile.TemporaryDirectory() as folder:
        archive_path = Path(folder) / "project.zip"
        pack_project(paths, archive_path)
        with _one_line(address):
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
    """Follows a job that was submitted before: its log, then its results, then its exit code, as `submit_job` does."""
    client = _connect(address)
    log_path = paths.logs_dir / f"{submission_id}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log_path.open("w", encoding="utf-8") as log, _one_line(address):
            last_line = asyncio.run(_stream(client, submission_id, _Lines(log, echo)))
            info = client.get_job_info(submission_id)
            packed = _fetch(client, info)
    except KeyboardInterrupt:
        echo(f"the job goes on; {_ways_to_follow(address, submission_id)}")
        return 130
    if packed:
        brought = unpack_results(packed, paths)
        echo(f"brought back: {', '.join(brought) or 'nothing'}")
    return _ended(info, last_line, log_path.relative_to(paths.root), echo)


def _ended(info: Any, last_line: str, log_path: Path, echo: Echo) -> int:
    """The exit code of a job that is over; one that did not even start, or was stopped, is told as an error."""
    if info.driver_exit_code is None:
        reason = (info.message or "no reason given").strip().splitlines()[0]
        raise ClusterError(f"submit: the job ended as {info.status.value} ({reason}); its log: {log_path}")
    if info.driver_exit_code:
        echo(f"submit: the job ended with exit code {info.driver_exit_code} ({last_line}); its log: {log_path}")
    return int(info.driver_exit_code)


class _Lines:
    """Puts chunks of a log together to lines: all into a file, all but Ray's own to the terminal."""

    def __init__(self, log: Any, echo: Echo) -> None:
        self._log, self._echo = log, echo
        self._rest = ""
        self._num_seen = self._num_to_skip = 0
        self.last = ""

    def restart(self) -> None:
        """The log is about to be told again from its first line."""
        self._rest, self._num_to_skip, self._num_seen = "", self._num_seen, 0

    def add(self, chunk: str) -> None:
        """Takes what came; a line is told once it is complete."""
        *lines, self._rest = (self._rest + chunk).split("\n")
        for line in lines:
            self._num_seen += 1
            if self._num_seen > self._num_to_skip:
                self._tell(line)

    def end(self) -> None:
        """Tells a last line that has no end."""
        if self._rest:
            self.add("\n")

    def _tell(self, line: str) -> None:
        self._log.write(line + "\n")
        if not RAYS_OWN_LINES.match(line):
            self._echo(line)
            self.last = line.strip() or self.last


async def _stream(client: Any, submission_id: str, lines: _Lines) -> str:
    """Tells a job's log until it is over, over lost connections too; returns the last line."""
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


def _fetch(client: Any, info: Any) -> bytes | None:
    """The archive that the job left beside its log; None when it came to none."""
    if not info.driver_node_id:
        return None
    query = {
        "node_id": info.driver_node_id,
        "filename": archive_name(info.submission_id),
        "lines": -1,
        "timeout": FETCH_TIMEOUT_S,
    }
    # Ray's public way to a log file (ray.util.state.get_log) wants another port; this one sends Ray's own headers
    response = client._do_request("GET", f"/api/v0/logs/file?{urlencode(query)}")  # noqa: SLF001
    return bytes(response.content) if response.ok else None


def _connect(address: str) -> Any:
    """Ray's client, after a look at who answers there."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClusterError(f"--address: {address!r} is no dashboard; write http://127.0.0.1:8265")
    if "@" in parts.netloc:
        raise ClusterError("--address: must hold no user or password; set RAY_AUTH_TOKEN instead")
    headers = _token_headers()
    _look(address.rstrip("/"), headers)
    from ray.job_submission import JobSubmissionClient

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.dashboard").setLevel(logging.ERROR)
    for name in ("sdk", "dashboard_sdk"):  # Ray sets these two to INFO when it is imported
        logging.getLogger(f"ray.dashboard.modules.job.{name}").setLevel(logging.ERROR)
        logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.ERROR)
    with _one_line(address), _without("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):  # which would override ours
        return JobSubmissionClient(address, headers=headers)


def _look(address: str, headers: dict[str, str]) -> None:
    """Asks for the version; Ray's client would wait for ever, or end in a traceback."""
    request = urllib.request.Request(f"{address}/api/version", headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S) as response:  # noqa: S310
            is_ray = "ray_version" in json.load(response)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise ClusterError(
                f"{address}: asks for another token; set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to that of the cluster "
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
        raise ClusterError(f"{address}: answers, but is no Ray dashboard; its port is 8265 unless told otherwise")


def _token_headers() -> dict[str, str]:
    """The token that Ray would take (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token), when there is one.

    Ray's client sends it only under RAY_AUTH_MODE=token, while its clusters ask for one as soon as they have one.
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
def _one_line(address: str) -> Iterator[None]:
    """Whatever Ray's client raises, as one line."""
    import requests
    from ray.exceptions import RayError

    try:
        yield
    except (RuntimeError, OSError, ValueError, requests.RequestException, RayError) as error:
        if isinstance(error, ClusterError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(
            f"{address}: {reason[:300]}; look at the dashboard, then run the same command again"
        ) from error


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    """Takes variables out of the environment for a moment."""
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
