"""Runs DVC and headrace as subprocesses: one interpreter, exit codes of stages, a deadline, retries."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from headrace.errors import GateError, Terminated

FINAL_CODES = (0, GateError.exit_code)
"""A pipeline that ended so would end so again; 2 may also be a lost worker, or an MLflow that was away."""
STOP_TIMEOUT_S = 30
"""For a stage to write its resume state after SIGTERM."""
HEADRACE = """\
#!/bin/sh
{python} -m headrace "$@"
code=$?
echo $code > {code_path}
exit $code
"""


def run_module(root: Path, module: str, *arguments: str, deadline: float | None = None) -> int:
    """Runs `dvc` or `headrace`; returns the exit code, which of DVC is that of the stage of headrace that failed.

    The commands in `dvc.yaml` use this interpreter: an upload of a clone brings its own headrace, which the cluster
    need not have installed. At `deadline` (of `time.monotonic`), all processes are stopped, and the code is that of an
    interruption.
    """
    with tempfile.TemporaryDirectory() as folder:
        command, code_path = Path(folder) / "headrace", Path(folder) / "code"
        places = {"python": shlex.quote(sys.executable), "code_path": shlex.quote(str(code_path))}
        command.write_text(HEADRACE.format(**places), encoding="utf-8")
        command.chmod(0o755)
        path = os.pathsep.join([folder, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        environment = os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}
        process = subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=root, env=environment)
        try:
            code = process.wait(None if deadline is None else max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            _stop_tree(process.pid)
            process.wait()
            return Terminated.exit_code
        if code and code_path.is_file():
            return int(code_path.read_text(encoding="utf-8")) or code
    return code if code >= 0 else 128 - code


def run_with_retries(root: Path, arguments: Sequence[str], *, num_retries: int, deadline_s: float | None) -> int:
    """Runs a command of DVC, again if it failed in a way that another attempt may not; returns the last exit code."""
    deadline = None if deadline_s is None else time.monotonic() + deadline_s
    for attempt in range(num_retries + 1):
        code = run_module(root, "dvc", *arguments, deadline=deadline)
        if deadline is not None and time.monotonic() >= deadline:
            sys.stdout.write("headrace: the deadline has passed; the same submit again continues in its workspace\n")
            return code
        if code in FINAL_CODES or attempt == num_retries:
            break
        sys.stdout.write(f"headrace: attempt {attempt + 1} of {num_retries + 1} ended with exit code {code}; again\n")
        sys.stdout.flush()
    return code


def _stop_tree(pid: int) -> None:
    """Stops a process and all below it: SIGTERM, and SIGKILL for what is still there later."""
    import psutil

    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(processes, timeout=STOP_TIMEOUT_S)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
