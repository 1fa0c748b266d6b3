"""Submitted jobs: which there are, their logs, following them to the end, installing their results, stopping them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headrace.cluster.jobs.dashboard import connect, download_beside_log, read_job_info, translate_ray_errors
from headrace.cluster.jobs.log import Echo, LogLines, stream_log
from headrace.cluster.jobs.pipeline_run import run_module
from headrace.cluster.jobs.results import archive_name, install_results
from headrace.config import read_params
from headrace.contracts import Json
from headrace.errors import ClusterError, Interrupted
from headrace.paths import Paths
from headrace.storage.atomic import write_json

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
REGISTER = "register"
PREFIX = "headrace-"
STOP_TIMEOUT_S = 60


def remember_job(paths: Paths, submission_id: str, address: str) -> None:
    """Records where a job was submitted to, so that later commands need only its ID, or not even that."""
    write_json(_record_path(paths, submission_id), {"address": address, "submitted": time.time()})


def find_job(paths: Paths, submission_id: str, address: str) -> tuple[str, str]:
    """Returns ID and address of a job; the default is the project's latest, and the address that it was submitted to.

    Raises ClusterError if no job was submitted from this project.
    """
    if not submission_id:
        records = _list_records(paths)
        if not records:
            raise ClusterError("jobs: none was submitted from this project; run headrace submit, or give an ID")
        submission_id = records[-1].stem
    path = _record_path(paths, submission_id)
    return submission_id, address or (_read(path)["address"] if path.is_file() else find_address(paths))


def find_address(paths: Paths) -> str:
    """Returns the address that the project's latest job was submitted to, or the default."""
    records = _list_records(paths)
    return str(_read(records[-1])["address"]) if records else DEFAULT_ADDRESS


def _list_records(paths: Paths) -> list[Path]:
    """Returns the records of the project's jobs, the latest last."""
    return sorted(_record_path(paths, "*").parent.glob("*.json"), key=lambda path: float(_read(path)["submitted"]))


def list_jobs(address: str) -> Iterator[tuple[str, ...]]:
    """Yields ID, state, start, minutes, project and commit of each job of headrace, the latest first."""
    client = connect(address)
    with translate_ray_errors(address):
        jobs = [job for job in client.list_jobs() if (job.submission_id or "").startswith(PREFIX)]
    for job in sorted(jobs, key=lambda each: each.start_time or 0, reverse=True):
        started = (job.start_time or 0) / 1000
        minutes = ((job.end_time or time.time() * 1000) / 1000 - started) / 60
        metadata = job.metadata or {}
        commit = metadata.get("git_commit", "")[:8] + ("+" if metadata.get("git_dirty") == "true" else "")
        start = time.strftime("%Y-%m-%d %H:%M", time.localtime(started))
        yield job.submission_id, job.status.value, start, f"{minutes:.1f}", metadata.get("project", ""), commit


def read_log(submission_id: str, address: str) -> str:
    """Returns the log of a job so far."""
    client = connect(address)
    read_job_info(client, submission_id, address)
    with translate_ray_errors(address):
        return str(client.get_job_logs(submission_id))


def follow_job(paths: Paths, submission_id: str, *, address: str, echo: Echo) -> int:
    """Follows a job to its end, installs its results and returns its exit code; 130 after Ctrl-C: the job continues.

    Raises:
        ClusterError: The cluster is not reachable, does not know the job or was lost.
    """
    client = connect(address)
    read_job_info(client, submission_id, address)
    log_path = _log_path(paths, submission_id)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log_path.open("w", encoding="utf-8") as log, translate_ray_errors(address):
            last_line = asyncio.run(stream_log(client, submission_id, LogLines(log, echo)))
    except KeyboardInterrupt:
        echo(f"the job continues; {describe_ways_back(submission_id)}")
        return Interrupted.exit_code
    return fetch_results(paths, submission_id, address=address, echo=echo, last_line=last_line)


def fetch_results(paths: Paths, submission_id: str, *, address: str, echo: Echo, last_line: str = "") -> int:
    """Installs the results of a job that has ended, and returns its exit code.

    Raises:
        ClusterError: The job still runs, did not start or was stopped; or its results do not arrive.
    """
    client = connect(address)
    info = read_job_info(client, submission_id, address)
    if not info.status.is_terminal():
        raise ClusterError(f"jobs: {submission_id} is {info.status.value}; run: headrace jobs follow {submission_id}")
    last_line = last_line or _save_log(client, paths, submission_id, address)
    about: Json = {}
    paths.state_dir.mkdir(parents=True, exist_ok=True)
    archive_path = paths.state_dir / archive_name(submission_id)
    try:
        with translate_ray_errors(address):
            has_results = download_beside_log(client, info, archive_path.name, archive_path)
        if has_results:
            installed = install_results(archive_path, paths)
            about = installed.about
            echo(f"results: {', '.join(installed.outs) or 'none'}")
        else:
            echo("results: none; the job did not come to its end, or its node is gone")
    finally:
        archive_path.unlink(missing_ok=True)
    code = exit_code_of(info, last_line, _log_path(paths, submission_id).relative_to(paths.root), echo)
    return code or _finish(paths, about, echo)


def _save_log(client: Any, paths: Paths, submission_id: str, address: str) -> str:
    """Writes the whole log of a job that was not followed to its end, and returns its last line."""
    path = _log_path(paths, submission_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as log, translate_ray_errors(address):
        lines = LogLines(log, lambda _: None)
        lines.add(client.get_job_logs(submission_id))
        lines.end()
    return lines.last


def stop_job(submission_id: str, *, address: str) -> str:
    """Stops a job and returns its last state; one that had ended stays as it was."""
    client = connect(address)
    read_job_info(client, submission_id, address)
    with translate_ray_errors(address):
        client.stop_job(submission_id)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while not (status := client.get_job_status(submission_id)).is_terminal() and time.monotonic() < deadline:
            time.sleep(0.2)
    return str(status.value)


def exit_code_of(info: Any, last_line: str, log_path: Path, echo: Echo) -> int:
    """Returns the exit code of a finished job; raises ClusterError if it did not start or was stopped."""
    if info.driver_exit_code is None:
        reason = (info.message or "no reason given").strip().splitlines()[0]
        raise ClusterError(f"submit: the job ended as {info.status.value} ({reason}); its log: {log_path}")
    if info.driver_exit_code:
        said = f" ({last_line})" if last_line else ""
        echo(f"submit: the job ended with exit code {info.driver_exit_code}{said}; its log: {log_path}")
    return int(info.driver_exit_code)


def describe_ways_back(submission_id: str) -> str:
    """Returns the commands that follow and stop a job."""
    return f"follow it: headrace jobs follow {submission_id}; stop it: headrace jobs stop {submission_id}"


def _finish(paths: Paths, about: Json, echo: Echo) -> int:
    """Registers the model in the project's own registry, if the cluster had no other; says where it is otherwise."""
    if not about.get("register_here"):
        if about.get("tracking_uri"):
            echo(f"registered at {about['tracking_uri']}: predict and serve read MLFLOW_TRACKING_URI")
        return 0
    if REGISTER not in (read_params(paths.root / "dvc.yaml").get("stages") or {}):
        return 0
    echo("registering the model in the registry of this project")
    return run_module(paths.root, "dvc", "repro", "--single-item", REGISTER)


def _record_path(paths: Paths, submission_id: str) -> Path:
    return paths.state_dir / "jobs" / f"{submission_id}.json"


def _log_path(paths: Paths, submission_id: str) -> Path:
    return paths.logs_dir / f"{submission_id}.log"


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())
