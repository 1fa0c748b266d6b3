"""Virtual environments for programs with conflicting dependencies, cached in the user's cache directory."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE_DIR = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "headrace-bench"
BENCH_DIR = Path(__file__).resolve().parent
MARKER = "installed"


def ensure_environment(name: str) -> Path:
    """Returns the interpreter of environment `name`, created from requirements-NAME.txt on first use.

    Raises:
        RuntimeError: if a package cannot be installed; the message has the end of pip's output.
    """
    requirements = BENCH_DIR / f"requirements-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE_DIR / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / MARKER).is_file():
        print(f"creating {folder} from {requirements.name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)  # an interrupted run leaves an incomplete environment
        _run([sys.executable, "-m", "venv", folder])
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements])
        (folder / MARKER).touch()
    return python


def run_program(python: Path | str, *command: object) -> dict:
    """Runs a program without this project's environment variables and returns the JSON of its last output line.

    Raises:
        RuntimeError: if the program fails; the message has the end of its output.
    """
    return json.loads(_run([python, *command]).splitlines()[-1])


def clone_commit(commit: str) -> Path:
    """Returns a checkout of an earlier commit of this repository."""
    checkout = CACHE_DIR / f"headrace-{commit}"
    if not checkout.is_dir():
        _run(["git", "clone", "--quiet", "--no-checkout", BENCH_DIR.parent, checkout])
        _run(["git", "-C", checkout, "checkout", "--quiet", commit])
    return checkout


def limit_cores(num_cores: int) -> None:
    """Restricts this process and its future children to the first `num_cores` available cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:num_cores])


def _run(command: list[object]) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}},
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {' '.join((result.stdout + result.stderr).split())[-400:]}")
    return result.stdout
