"""Limits that a container or a service manager sets by control groups, of version 1 or 2.

Files and formats: https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
UNLIMITED_BYTES = 2**62
"""Version 1 writes the largest multiple of a page below 2**63 for "no limit"."""


def read_cpu_limit(root: Path = ROOT, membership: Path = MEMBERSHIP) -> float | None:
    """Returns the number of CPUs whose time this process may use, or None if it may use all."""
    limits = []
    for folder in _list_groups("cpu", root, membership):
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            limits.append(int(quota) / int(period))  # "max" is no number: no limit
        with suppress(OSError, ValueError):
            quota_us = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
            if quota_us > 0:
                limits.append(quota_us / int((folder / "cpu.cfs_period_us").read_text(encoding="ascii")))
    return min(limits, default=None)


def read_memory_limit(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int | None:
    """Returns the bytes that this process and its group may use, or None if there is no limit."""
    limits = []
    for folder in _list_groups("memory", root, membership):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):
                limits.append(int((folder / name).read_text(encoding="ascii")))
    return min((limit for limit in limits if limit < UNLIMITED_BYTES), default=None)


def _list_groups(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """Yields the folders of this process's group and of all groups around it: the smallest limit counts."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        number, controllers, group = line.split(":", 2)
        if number != "0" and controller not in controllers.split(","):
            continue
        mounts = (root, root / "unified") if number == "0" else (root / controllers, root / controller)
        relative = Path(group.lstrip("/"))
        for mount in mounts:
            for part in (relative, *relative.parents):
                yield mount / part
