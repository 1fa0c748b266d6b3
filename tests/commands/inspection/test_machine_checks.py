from importlib import metadata
from pathlib import Path

import pytest

from headrace.commands.inspection.machine_checks import (
    check_accelerator,
    check_cpus,
    check_disk,
    check_machine,
    check_memory,
    check_packages,
    check_python,
    check_shared_memory,
)
from headrace.paths import Paths

GB = 10**9


def test_machine_that_runs_these_tests_has_no_error(tmp_path: Path) -> None:
    checks = {check.name: check for check in check_machine(Paths(tmp_path))}
    assert list(checks) == ["python", "packages", "accelerator", "cpus", "memory", "disk", "shared memory"]
    assert not [check for check in checks.values() if check.state == "error" and check.name != "disk"]


@pytest.mark.parametrize(("version", "state"), [("3.11.4", "ok"), ("3.11.3", "error"), ("3.14.0", "error")])
def test_python_is_held_to_the_releases_of_the_package(version: str, state: str) -> None:
    check = check_python(version)
    assert check.state == state
    assert check.detail.startswith(version)


def test_package_in_another_release_is_named_with_the_command_that_replaces_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "captum":
            raise metadata.PackageNotFoundError(name)
        return "1.26.4" if name == "numpy" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    check = check_packages()
    assert check.state == "error"
    assert check.detail.endswith("; captum is missing, numpy is 1.26.4")
    assert check.remedy == "pip install 'captum<1,>=0.8' 'numpy<3,>=2.0'"


def test_gpu_that_torch_cannot_use_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert check_accelerator(tmp_path / "nvidiactl").state == "ok"
    (tmp_path / "nvidiactl").touch()
    for version, detail in ((None, "is a build for CPUs"), ("12.8", "(CUDA 12.8) cannot use")):
        monkeypatch.setattr(torch.version, "cuda", version)
        check = check_accelerator(tmp_path / "nvidiactl")
        assert (check.state, check.detail.endswith(detail)) == ("warning", True)


def test_cpus_beyond_a_control_groups_limit_are_a_warning() -> None:
    assert check_cpus(8, 8, None).detail == "8"
    assert check_cpus(8, 4, 4.0).detail == "4 of 8"
    check = check_cpus(64, 64, 1.5)
    assert (check.state, check.detail) == ("warning", "64, limited to the time of 1.5 by a control group")
    assert check.remedy.endswith("use at most 1 in all")


def test_memory_is_that_of_the_control_group_if_it_is_less() -> None:
    check = check_memory(GB // 2)
    assert (check.state, check.detail) == ("warning", "0.5 of 0.5 GB free, limited by a control group")
    assert "limited" not in check_memory(2**60).detail


def test_disk_and_shared_memory_say_how_much_is_free(tmp_path: Path) -> None:
    states = [check_disk(free, tmp_path).state for free in (GB // 2, 5 * GB, 50 * GB)]
    assert states == ["error", "warning", "ok"]
    assert [check_shared_memory(total).state for total in (64 * 10**6, 8 * GB)] == ["warning", "ok"]
