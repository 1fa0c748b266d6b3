"""Checks of `headrace doctor` of this machine: versions, accelerator, CPUs, memory and disks."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from headrace import __version__
from headrace.commands.inspection.cgroup import read_cpu_limit, read_memory_limit
from headrace.commands.inspection.check import Check
from headrace.paths import Paths

GB = 1e9
MIN_MEMORY_GB, MIN_SHARED_GB = 2.0, 1.0
"""Below them a training of the default size is slow, or Ray's store of objects moves to the disk."""
LOW_DISK_GB, FULL_DISK_GB = 10.0, 1.0
"""Free space below which there is a warning, and below which a run is unlikely to finish."""
SHARED_DIR = Path("/dev/shm")  # noqa: S108 where Ray keeps objects
NVIDIA_DEVICE = Path("/dev/nvidiactl")
SHOWN = ("torch", "ray", "mlflow", "dvc", "onnxruntime")
"""Packages whose versions are shown."""


def check_machine(paths: Paths) -> Iterator[Check]:
    """Yields the checks that need neither a project nor a network."""
    yield check_python()
    yield check_packages()
    yield check_accelerator()
    yield check_cpus(os.cpu_count() or 1, len(os.sched_getaffinity(0)), read_cpu_limit())
    yield check_memory(read_memory_limit())
    yield check_disk(shutil.disk_usage(paths.root).free, paths.root)
    yield check_shared_memory(shutil.disk_usage(SHARED_DIR).total if SHARED_DIR.is_dir() else 0)


def check_python(version: str = platform.python_version()) -> Check:
    """Whether this release of Python is one that the installed headrace was made for."""
    from packaging.specifiers import SpecifierSet

    allowed = metadata.metadata("headrace")["Requires-Python"]
    if SpecifierSet(allowed).contains(version):
        return Check("python", "ok", f"{version}, {platform.platform(terse=True)}")
    remedy = "make an environment with another Python, and install headrace there"
    return Check("python", "error", f"{version}; headrace needs {allowed}", remedy)


def check_packages() -> Check:
    """Whether the packages that headrace needs are there in the releases that it allows."""
    mistakes = list(_find_mistakes(metadata.requires("headrace") or []))
    shown = ", ".join(f"{name} {_find_version(name) or 'missing'}" for name in SHOWN)
    detail = f"headrace {__version__}, {shown}"
    if not mistakes:
        return Check("packages", "ok", detail)
    wanted = " ".join(f"'{requirement}'" for requirement, _ in mistakes)
    problems = ", ".join(problem for _, problem in mistakes)
    return Check("packages", "error", f"{detail}; {problems}", f"pip install {wanted}")


def _find_mistakes(requirements: list[str]) -> Iterator[tuple[str, str]]:
    """Yields each requirement, without its marker, that is not met, and what is there in its place."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = _find_version(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            requirement.marker = None
            yield str(requirement), f"{requirement.name} is {version or 'missing'}"


def _find_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_accelerator(device: Path = NVIDIA_DEVICE) -> Check:
    """Which GPUs torch can use, and whether there are some that it cannot."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library that cannot be loaded
        return Check(
            "accelerator", "error", f"torch cannot be imported: {error}", "pip install --force-reinstall torch"
        )
    if number := torch.cuda.device_count():
        properties = torch.cuda.get_device_properties(0)
        memory = f"{properties.total_memory / GB:.0f} GB"
        return Check("accelerator", "ok", f"{number} x {properties.name}, {memory}, CUDA {torch.version.cuda}")
    if not device.exists():
        return Check("accelerator", "ok", "no GPU: trains on CPUs")
    if torch.version.cuda is None:
        detail = f"there is a GPU, and torch {torch.__version__} is a build for CPUs"
        return Check("accelerator", "warning", detail, "install torch's build for CUDA: https://pytorch.org")
    detail = f"there is a GPU that torch {torch.__version__} (CUDA {torch.version.cuda}) cannot use"
    return Check("accelerator", "warning", detail, "see what nvidia-smi reports; its driver may be too old")


def check_cpus(num_cpus: int, num_allowed: int, limit: float | None) -> Check:
    """How many CPUs the machine has, how many this process may run on, and how much of their time its group may use."""
    detail = f"{num_allowed} of {num_cpus}" if num_allowed < num_cpus else f"{num_cpus}"
    if limit is None or limit >= num_allowed:
        return Check("cpus", "ok", detail)
    remedy = f"set train.num_workers and train.num_threads so that they use at most {max(1, int(limit))} in all"
    return Check("cpus", "warning", f"{detail}, limited to the time of {limit:g} by a control group", remedy)


def check_memory(limit: int | None) -> Check:
    """How much memory is free, of this machine or of the control group."""
    import psutil

    memory = psutil.virtual_memory()
    is_limited = limit is not None and limit < memory.total
    total, free = (limit or 0, min(limit or 0, memory.available)) if is_limited else (memory.total, memory.available)
    detail = f"{free / GB:.1f} of {total / GB:.1f} GB free" + (", limited by a control group" if is_limited else "")
    if free >= MIN_MEMORY_GB * GB:
        return Check("memory", "ok", detail)
    return Check("memory", "warning", detail, "end other programs, raise the limit, or lower train.batch_size")


def check_disk(free: int, root: Path) -> Check:
    """How much space is free where the project is; `free` in bytes."""
    detail = f"{free / GB:.1f} GB free in {root}"
    if free >= LOW_DISK_GB * GB:
        return Check("disk", "ok", detail)
    remedy = "free space; dvc gc --workspace removes results of earlier runs from DVC's cache"
    return Check("disk", "warning" if free >= FULL_DISK_GB * GB else "error", detail, remedy)


def check_shared_memory(total: int) -> Check:
    """Whether Ray's workers can exchange objects in memory; `total` in bytes."""
    detail = f"{total / GB:.1f} GB in {SHARED_DIR}"
    if total >= MIN_SHARED_GB * GB:
        return Check("shared memory", "ok", detail)
    return Check("shared memory", "warning", detail, "start the container with more, as docker run --shm-size=4g does")
