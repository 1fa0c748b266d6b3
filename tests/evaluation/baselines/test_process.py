import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from headrace.evaluation.baselines.cache import FittedBaseline, find_folder, read_skipped
from headrace.evaluation.baselines.process import BaselineLimits, load_or_fit
from headrace.paths import Paths

LIMITS = BaselineLimits(seconds=60, rows=1000)
TABLE = pytest.mark.parametrize("project", [("table", "classification")], indirect=True)
LOAD = """
import sys
from pathlib import Path
from headrace.evaluation.baselines.process import BaselineLimits, load_or_fit
from headrace.paths import Paths
load_or_fit(Paths(Path(sys.argv[1])), BaselineLimits(600, 1000))
"""


def modified(paths: Paths) -> dict[str, int]:
    folder = find_folder(paths, LIMITS.rows)
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def find_fitting(parent: psutil.Process) -> psutil.Process:
    """The process that fits, once it has started."""
    while True:
        for child in parent.children(recursive=True):
            if "fit-baselines" in child.cmdline():
                return child
        time.sleep(0.02)


@TABLE
def test_baselines_are_fitted_once_and_a_damaged_one_again(project: Paths) -> None:
    fitted = load_or_fit(project, LIMITS)
    assert list(fitted) == ["prior", "linear", "boosting"]
    assert all(isinstance(each, FittedBaseline) for each in fitted.values())
    before = modified(project)
    assert list(before) == list(modified(project))
    load_or_fit(project, LIMITS)
    assert modified(project) == before
    (find_folder(project, LIMITS.rows) / "linear.npz").write_bytes(b"PK")
    again = load_or_fit(project, LIMITS)
    assert {name for name, time_ns in modified(project).items() if before[name] != time_ns} == {"linear.npz"}
    assert (again["linear"].outputs["test"] == fitted["linear"].outputs["test"]).all()


@TABLE
def test_one_that_exceeds_its_limit_is_skipped_until_the_limit_is_longer(project: Paths) -> None:
    short = BaselineLimits(seconds=0.001, rows=1000)
    results = load_or_fit(project, short)
    why = "not fitted within 0.001 s (validate.baselines.seconds)"
    assert results["boosting"] == results["linear"] == why
    skipped = read_skipped(find_folder(project, 1000))
    assert skipped["boosting"] == {"why": why, "seconds": 0.001}
    before = modified(project)
    assert load_or_fit(project, short)["boosting"] == why
    assert modified(project) == before
    assert isinstance(load_or_fit(project, LIMITS)["boosting"], FittedBaseline)


@TABLE
def test_skipped_names_are_not_fitted_and_a_limit_of_0_turns_all_off(project: Paths) -> None:
    results = load_or_fit(project, LIMITS, skipped={"linear": "too slow", "boosting": "too slow"})
    assert results["linear"] == results["boosting"] == "too slow"
    assert [path.name for path in find_folder(project, 1000).iterdir()] == ["prior.npz"]
    assert load_or_fit(project, BaselineLimits(0, 1000)) == {}


@TABLE
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_stage_takes_its_process_along_and_the_next_run_fits(project: Paths, number: int) -> None:
    stage = subprocess.Popen([sys.executable, "-c", LOAD, str(project.root)], stderr=subprocess.DEVNULL)
    fitting = find_fitting(psutil.Process(stage.pid))
    os.kill(stage.pid, number)
    assert stage.wait() != 0
    psutil.wait_procs([fitting])
    assert list(load_or_fit(project, LIMITS)) == ["prior", "linear", "boosting"]
    assert sorted(modified(project)) == ["boosting.npz", "linear.npz", "prior.npz"]


@TABLE
def test_a_killed_fit_is_skipped_this_time(project: Paths, tmp_path: Path) -> None:
    result = tmp_path / "result.txt"
    program = LOAD.replace("load_or_fit(Paths", "results = load_or_fit(Paths")
    program += f"\nPath({str(result)!r}).write_text(str(results['prior']))\n"
    stage = subprocess.Popen([sys.executable, "-c", program, str(project.root)])
    find_fitting(psutil.Process(stage.pid)).kill()
    assert stage.wait() == 0
    assert "its process ended before it was fitted" in result.read_text()
    assert isinstance(load_or_fit(project, LIMITS)["prior"], FittedBaseline)
