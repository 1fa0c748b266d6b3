"""Jobs that were submitted: which one is meant, and how they ended; real ones: tests/e2e/test_submit.py."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace.cluster.jobs.control import DEFAULT_ADDRESS, exit_code_of, find_address, find_job, remember_job
from headrace.errors import ClusterError
from headrace.paths import Paths


def test_the_job_that_is_meant_is_the_latest_where_it_was_submitted(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    with pytest.raises(ClusterError, match="none was submitted from this project"):
        find_job(paths, "", "")
    assert find_address(paths) == DEFAULT_ADDRESS
    remember_job(paths, "headrace-b", "http://one:1")
    remember_job(paths, "headrace-a", "http://two:2")
    assert find_job(paths, "", "") == ("headrace-a", "http://two:2")
    assert find_job(paths, "headrace-b", "") == ("headrace-b", "http://one:1")
    assert find_job(paths, "", "http://tunnel:3") == ("headrace-a", "http://tunnel:3")
    assert find_job(paths, "of-another-project", "") == ("of-another-project", "http://two:2")
    assert find_address(paths) == "http://two:2"


def test_exit_code_of_a_job_that_did_not_start_is_an_error() -> None:
    info = SimpleNamespace(driver_exit_code=None, message="no room\nfor it", status=SimpleNamespace(value="FAILED"))
    with pytest.raises(ClusterError, match=r"ended as FAILED \(no room\); its log: a\.log"):
        exit_code_of(info, "", Path("a.log"), print)


def test_exit_code_of_a_job_that_failed_comes_with_its_last_line() -> None:
    lines: list[str] = []
    assert exit_code_of(SimpleNamespace(driver_exit_code=3), "no gate", Path("a.log"), lines.append) == 3
    assert lines == ["submit: the job ended with exit code 3 (no gate); its log: a.log"]
