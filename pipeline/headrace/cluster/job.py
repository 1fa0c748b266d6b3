"""The pipeline as a Ray job: `python -m headrace.cluster.job` prepares DVC, runs `dvc repro` and packs the results.

It runs in the folder of the upload, or in HEADRACE_WORKSPACE: a folder on storage that all nodes share. Data, DVC cache
and resume state in a workspace outlive the job, so that the next job continues where this one stopped.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from headrace.cluster.results import archive_name, pack_results


def main() -> int:
    """Runs the job; returns the exit code of `dvc repro`."""
    root = prepare_workspace(Path.cwd())
    code = _run(root, "dvc", "init", "--no-scm", "--quiet") if not (root / ".dvc").is_dir() else 0
    # the upload has no .git, which DVC requires otherwise
    code = code or _run(root, "dvc", "config", "--local", "core.no_scm", "true") or _run(root, "dvc", "repro")
    _run(root, "headrace", "sync")  # Ray removes the folder of the upload, with what was not sent
    archive_path = find_archive_path()
    if archive_path:
        pack_results(root, archive_path)
    else:
        sys.stdout.write(f"headrace: the results stay in {root}\n")
    return code


def prepare_workspace(uploaded: Path) -> Path:
    """Returns the folder to run in. The upload is copied into a workspace, whose other files stay."""
    workspace = os.environ.get("HEADRACE_WORKSPACE")
    if not workspace:
        return uploaded
    shutil.rmtree(Path(workspace, "pipeline"), ignore_errors=True)  # deleted modules must not stay importable
    shutil.copytree(uploaded, workspace, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return Path(workspace)


def _run(root: Path, module: str, *arguments: str) -> int:
    """Runs DVC or headrace under this interpreter, which the commands in `dvc.yaml` then use too.

    An upload of a clone brings its own headrace, which the cluster need not have installed: the command is written.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = Path(folder) / "headrace"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m headrace "$@"\n', encoding="utf-8")
        command.chmod(0o755)
        path = os.pathsep.join([folder, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        environment = os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}
        called = subprocess.run([sys.executable, "-m", module, *arguments], cwd=root, env=environment, check=False)
    return called.returncode if called.returncode >= 0 else 128 - called.returncode


def find_archive_path() -> Path | None:
    """Returns the path next to the job's log, which is stdout under Ray; None if stdout is no such file."""
    try:
        log_path = Path("/proc/self/fd/1").readlink()
    except OSError:
        return None
    submission_id = log_path.stem.removeprefix("job-driver-")
    return log_path.with_name(archive_name(submission_id)) if log_path.name.startswith("job-driver-") else None


if __name__ == "__main__":
    sys.exit(main())
