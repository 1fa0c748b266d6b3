"""What a run was made on and with."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from environments import BENCH_DIR

PACKAGES = ("torch", "pytorch-lightning", "ray", "mlflow", "onnxruntime", "albumentations", "numpy")


def machine() -> dict:
    """Cores, processor, memory, system: figures of different ones do not go into one table."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    bf16 = any("avx512_bf16" in line for line in lines)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model + (" (AVX-512 BF16)" if bf16 else ""),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": platform.platform(),
    }


def this_run() -> dict:
    """When, of which commit, with which versions, and how busy the machine was before it began."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "commit": commit(),
        "load": round(os.getloadavg()[1], 2),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
            **pinned("keras", "keras", "tensorflow_cpu"),
            **pinned("ludwig", "ludwig"),
        },
    }


def commit() -> str:
    """The commit, marked where tracked files other than the results differ from it."""
    found = _git("rev-parse", "--short", "HEAD")
    others = [":!docs/benchmarks.md", ":!benchmarks/results.json"]
    return found + ("+changes" if _git("status", "--porcelain", "--untracked-files=no", "--", ".", *others) else "")


def pinned(environment: str, *packages: str) -> dict[str, str]:
    """Versions that an environment of its own has."""
    lines = (BENCH_DIR / f"requirements-{environment}.txt").read_text().splitlines()
    versions = dict(line.split("==") for line in lines if "==" in line)
    return {name: versions[name] for name in packages}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(BENCH_DIR.parent), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
