"""The pipeline as a Ray job: `python -m headrace.cluster.job` prepares DVC, runs `dvc repro` and packs the results.

It runs in the folder of the upload, or in HEADRACE_WORKSPACE: a folder on storage that all nodes share. Data, DVC cache
and resume state in a workspace outlive the job, so that the next job continues where this one stopped. A DVC remote,
where the project has one, brings the outs of earlier jobs, and takes those of this one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from headrace.cluster.jobs.outs import has_usable_remote, list_whole_stages, push_outs
from headrace.cluster.jobs.pipeline_run import run_module, run_with_retries
from headrace.cluster.jobs.results import archive_name, pack_results
from headrace.config import read_params
from headrace.contracts import Json
from headrace.errors import ClusterError
from headrace.tracking.uri import TRACKING, remove_credentials

REGISTER = "register"


def main(arguments: Sequence[str] = ()) -> int:
    """Runs the job; returns the exit code of the pipeline."""
    request = _parse(arguments)
    root = prepare_workspace(Path.cwd())
    code = run_module(root, "dvc", "init", "--no-scm", "--quiet") if not (root / ".dvc").is_dir() else 0
    # the upload has no .git, which DVC requires otherwise
    code = code or run_module(root, "dvc", "config", "--local", "core.no_scm", "true")
    code = code or (run_module(root, "dvc", "pull", "--force", request.pull) if request.pull else 0)
    if code:
        return code
    registers_here = not request.register_later or bool(os.environ.get(TRACKING))
    is_left = not registers_here and (not request.stages or REGISTER in request.stages)
    has_remote = has_usable_remote(root)
    pull = ["--pull", "--allow-missing"] if has_remote else []
    stages = request.stages if registers_here else list_stages_but_register(root, request.stages)
    code = run_with_retries(root, ["repro", *pull, *stages], num_retries=request.retries, deadline_s=request.deadline_s)
    if registers_here:
        run_module(root, "headrace", "sync")  # Ray removes the folder of the upload, with what was not sent
    is_whole = has_remote and not code and not request.stages  # then also stages that were not run here
    outs = list_stages(root) if is_whole else list_whole_stages(root)
    about: Json = {"register_here": is_left, "stages": [stage for stage in outs if not (is_left and stage == REGISTER)]}
    leave_results(root, about, has_remote=has_remote)
    return code


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m headrace.cluster.job", description=__doc__)
    parser.add_argument("stages", nargs="*", help="with the stages before them; the default is all")
    parser.add_argument("--pull", help="a .dvc file, whose data the DVC remote has")
    parser.add_argument("--retries", type=int, default=0)
    parser.add_argument("--deadline-s", type=float, default=None)
    parser.add_argument("--register-later", action="store_true", help="unless the cluster has an MLflow server")
    return parser.parse_args(arguments)


def list_stages_but_register(root: Path, wanted: Sequence[str]) -> list[str]:
    """Returns the wanted stages, or all, without `register`; empty, which means all, in a project without it."""
    stages = list_stages(root)
    if REGISTER not in stages:
        return list(wanted)
    return [name for name in wanted if name != REGISTER] or [name for name in stages if name != REGISTER]


def list_stages(root: Path) -> list[str]:
    """Returns all stages of `dvc.yaml`."""
    return list(read_params(root / "dvc.yaml").get("stages") or {})


def prepare_workspace(uploaded: Path) -> Path:
    """Returns the folder to run in. The upload is copied into a workspace, whose other files stay."""
    workspace = os.environ.get("HEADRACE_WORKSPACE")
    if not workspace:
        return uploaded
    shutil.rmtree(Path(workspace, "pipeline"), ignore_errors=True)  # deleted modules must not stay importable
    shutil.copytree(uploaded, workspace, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return Path(workspace)


def leave_results(root: Path, about: Json, *, has_remote: bool) -> None:
    """Sends the outs to the DVC remote, and leaves the rest beside the log, with the outs if there is no remote."""
    archive_path = find_archive_path()
    about |= {"tracking_uri": remove_credentials(os.environ.get(TRACKING, "")), "has_remote": False}
    if has_remote:
        try:
            push_outs(root, about["stages"])
            about["has_remote"] = True
        except ClusterError as error:
            sys.stdout.write(f"headrace: the outs are not in the DVC remote: {error}\n")
    if not archive_path:
        sys.stdout.write(f"headrace: the results stay in {root}\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        objects_dir = Path(folder) / "objects"
        if not about["has_remote"]:
            push_outs(root, about["stages"], objects_dir)
        pack_results(root, archive_path, about, objects_dir)


def find_archive_path() -> Path | None:
    """Returns the path next to the job's log, which is stdout under Ray; None if stdout is no such file."""
    try:
        log_path = Path("/proc/self/fd/1").readlink()
    except OSError:
        return None
    submission_id = log_path.stem.removeprefix("job-driver-")
    return log_path.with_name(archive_name(submission_id)) if log_path.name.startswith("job-driver-") else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
