"""Submits the pipeline as a Ray job, through the dashboard."""

from __future__ import annotations

import os
import secrets
import shlex
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from headrace.cluster.jobs.control import DEFAULT_ADDRESS, PREFIX, describe_ways_back, remember_job
from headrace.cluster.jobs.dashboard import check_address, connect, translate_ray_errors
from headrace.cluster.jobs.log import Echo
from headrace.cluster.jobs.outs import is_up_to_date, push_source, tracking_file
from headrace.cluster.jobs.upload import (
    describe_upload,
    find_files_to_send,
    find_tracked_source,
    make_job_environment,
    make_python_path,
    pack_project,
)
from headrace.fingerprint.stage_code import combine_digests, hash_stages, open_cache
from headrace.paths import OUTS, Paths
from headrace.tracking.lineage import COMMIT_VARIABLE, DIRTY_VARIABLE, read_git_commit
from headrace.tracking.uri import TRACKING

ENTRYPOINT = ("python", "-m", "headrace.cluster.job")


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What is submitted, and how."""

    address: str = DEFAULT_ADDRESS
    stages: tuple[str, ...] = ()
    """With the stages before them; empty: all."""
    force: bool = False
    """Submit although nothing changed."""
    num_retries: int = 0
    """After a failure that is not a gate's."""
    deadline_minutes: float | None = None
    """Of the job, all attempts together."""
    driver_cpus: float = 0
    """CPUs reserved for the stages that are no workers; 0: on the head node, without a reservation."""
    driver_gpus: float = 0
    driver_memory_gb: float = 0


def submit_job(paths: Paths, request: JobRequest, echo: Echo) -> str | None:
    """Submits `dvc repro` to a cluster and returns the ID of the job, or None if nothing changed.

    `echo` prints a line on the terminal.

    Raises:
        ClusterError: The cluster is not reachable, or the project is too large.
        ConfigError: The cluster cannot reach `ingest.source`, or the folder is not a DVC project.
    """
    source = find_tracked_source(paths)
    files = find_files_to_send(paths, source)
    if not request.force and is_up_to_date(paths, request.stages):
        echo("nothing changed: all stages are up to date; --force submits all the same")
        return None
    check_address(request.address)
    submission_id = f"{PREFIX}{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory() as folder:
        archive_path = Path(folder) / "project.zip"
        pack_project(paths, files, archive_path)
        echo(describe_upload(paths, files, archive_path))
        if source:
            push_source(paths.root, source)
            echo(f"{os.path.relpath(source, paths.root)} is in the DVC remote")
        tracked = os.path.relpath(tracking_file(source), paths.root) if source else ""
        _start_job(paths, request, submission_id, archive_path, make_entrypoint(request, tracked))
    echo(f"submitted {submission_id} to {request.address}; {describe_ways_back(submission_id)}")
    return submission_id


def _start_job(paths: Paths, request: JobRequest, submission_id: str, archive_path: Path, entrypoint: str) -> None:
    commit = describe_commit(paths)
    environment = make_job_environment(os.environ) | make_python_path(paths.root)
    environment |= {COMMIT_VARIABLE: commit["git_commit"], DIRTY_VARIABLE: str(int(commit["git_dirty"] == "true"))}
    code = combine_digests(hash_stages(OUTS, open_cache(paths)))
    client = connect(request.address)
    remember_job(paths, submission_id, request.address)
    with translate_ray_errors(request.address):
        client.submit_job(
            entrypoint=entrypoint,
            submission_id=submission_id,
            runtime_env={"working_dir": str(archive_path), "env_vars": environment},
            metadata={"project": paths.root.name, "code": code, **commit},
            entrypoint_num_cpus=request.driver_cpus or None,
            entrypoint_num_gpus=request.driver_gpus or None,
            entrypoint_memory=int(request.driver_memory_gb * 2**30) or None,
        )


def describe_commit(paths: Paths) -> dict[str, str]:
    """Returns commit and dirty state: the upload has no .git, so the cluster cannot look them up."""
    commit, is_dirty = read_git_commit(paths.root)
    return {"git_commit": commit, "git_dirty": str(is_dirty).lower()}


def make_entrypoint(request: JobRequest, tracked: str = "") -> str:
    """Returns the command of the job. Without an MLflow server here, the model is registered here, at the end.

    `tracked`: a `.dvc` file, whose data the job pulls first.
    """
    options = ["--retries", str(request.num_retries)] if request.num_retries else []
    if tracked:
        options += ["--pull", tracked]
    if request.deadline_minutes is not None:
        options += ["--deadline-s", str(request.deadline_minutes * 60)]
    if not os.environ.get(TRACKING):
        options.append("--register-later")
    return shlex.join([*ENTRYPOINT, *options, *request.stages])
