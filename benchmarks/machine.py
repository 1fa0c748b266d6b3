"""The machine, commit and versions of a benchmark run."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from environments import BENCH_DIR

PACKAGES = ("torch", "pytorch-lightning", "ray", "mlflow", "onnxruntime", "albumentations", "numpy")


def describe_machine() -> dict:
    """Returns cores, processor, memory and system."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    has_bf16 = any("avx512_bf16" in line for line in lines)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model + (" (AVX-512 BF16)" if has_bf16 else ""),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": platform.platform(),
    }


def describe_run() -> dict:
    """Returns the date, commit, machine and versions of a run, and the load average of the 5 minutes before it."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "commit": read_commit(),
        "load": round(os.getloadavg()[1], 2),
        "machine": describe_machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
            **pinned_versions("keras", "keras", "tensorflow_cpu"),
            **pinned_versions("ludwig", "ludwig"),
        },
    }


def read_commit() -> str:
    """Returns the short commit, with `+changes` if tracked files other than the results differ from it."""
    paths = [".", ":!docs/benchmarks.md", ":!benchmarks/results.json"]
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", *paths)
    return _git("rev-parse", "--short", "HEAD") + ("+changes" if changes else "")


def pinned_versions(environment: str, *packages: str) -> dict[str, str]:
    """Returns the versions that requirements-ENVIRONMENT.txt pins for some packages."""
    lines = (BENCH_DIR / f"requirements-{environment}.txt").read_text().splitlines()
    versions = dict(line.split("==") for line in lines if "==" in line)
    return {name: versions[name] for name in packages}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(BENCH_DIR.parent), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
