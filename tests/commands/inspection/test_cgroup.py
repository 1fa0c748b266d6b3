"""The kernel's files of both versions, laid out as in a container and below a service manager."""

from pathlib import Path

import pytest

from headrace.commands.inspection.cgroup import read_cpu_limit, read_memory_limit


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    (tmp_path / "groups").mkdir()
    return tmp_path


def write(kernel: Path, membership: str, files: dict[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        path = kernel / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (kernel / "membership").write_text(membership)
    return kernel / "groups", kernel / "membership"


def test_limits_of_version_2_are_the_smallest_of_all_groups_around(kernel: Path) -> None:
    files = {
        "a.slice/b.service/cpu.max": "max 100000\n",
        "a.slice/cpu.max": "150000 100000\n",
        "a.slice/b.service/memory.max": "2000000000\n",
        "a.slice/memory.max": "max\n",
    }
    places = write(kernel, "0::/a.slice/b.service\n", files)
    assert (read_cpu_limit(*places), read_memory_limit(*places)) == (1.5, 2_000_000_000)


def test_limits_of_version_1_are_in_a_folder_for_each_controller(kernel: Path) -> None:
    files = {
        "cpu,cpuacct/docker/1/cpu.cfs_quota_us": "50000\n",
        "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": "1000000000\n",
    }
    places = write(kernel, "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n0::/\n", files)
    assert (read_cpu_limit(*places), read_memory_limit(*places)) == (0.5, 1_000_000_000)


def test_no_limit_is_none(kernel: Path) -> None:
    files = {
        "cpu/cpu.cfs_quota_us": "-1\n",
        "cpu/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    places = write(kernel, "2:memory:/\n1:cpu:/\n", files)
    assert (read_cpu_limit(*places), read_memory_limit(*places)) == (None, None)
    nowhere = (kernel / "groups", kernel / "nothing")
    assert (read_cpu_limit(*nowhere), read_memory_limit(*nowhere)) == (None, None)
