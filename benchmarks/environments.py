"""Environments of their own for what does not go with ours, made once and kept in the user's cache."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE_DIR = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "headrace-bench"
BENCH_DIR = Path(__file__).resolve().parent
MARK = "installed"


def python_of(name: str) -> Path:
    """The interpreter of environment `name`, made of requirements-NAME.txt where it is not there yet.

    Raises RuntimeError with pip's last line when something cannot be installed.
    """
    requirements = BENCH_DIR / f"requirements-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE_DIR / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / MARK).is_file():
        print(f"making {folder} of {requirements.name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
        _run([sys.executable, "-m", "venv", folder])
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements])
        (folder / MARK).touch()
    return python


def run_program(python: Path | str, *command: object, cores: int = 0) -> dict:
    """What a program prints as its last line, JSON; `cores`: how many it may use, 0 for all. It sees nothing of ours.

    Raises RuntimeError with the end of what it said when it fails.
    """
    return json.loads(_run([python, *command], cores).splitlines()[-1])


def allow(cores: int) -> None:
    """Leaves this process, and those that it starts, the first so many cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _run(command: list[object], cores: int = 0) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        preexec_fn=(lambda: allow(cores)) if cores else None,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {' '.join((done.stdout + done.stderr).split())[-400:]}")
    return done.stdout
