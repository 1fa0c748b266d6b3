"""DVC in a job: another attempt, a deadline; the exit code of a stage: tests/cluster/test_job.py."""

import time
from pathlib import Path

import pytest

from headrace.cluster.jobs.pipeline_run import run_with_retries


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    return tmp_path


def set_stage(project: Path, command: str) -> None:
    (project / "dvc.yaml").write_text(f"stages:\n  a:\n    cmd: {command}\n    always_changed: true\n")


@pytest.mark.slow
def test_a_failure_is_tried_again_and_a_deadline_ends_all(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_stage(project, "echo x >> tries.txt && test $(wc -l < tries.txt) = 2")
    assert run_with_retries(project, ["repro"], num_retries=2, deadline_s=None) == 0
    assert (project / "tries.txt").read_text() == "x\nx\n"
    assert capsys.readouterr().out == "headrace: attempt 1 of 3 ended with exit code 255; again\n"
    set_stage(project, "touch started && sleep 100 && touch ended")
    started = time.monotonic()
    assert run_with_retries(project, ["repro"], num_retries=2, deadline_s=5) == 143
    assert (project / "started").exists()
    assert not (project / "ended").exists()
    assert "the deadline has passed" in capsys.readouterr().out
    assert time.monotonic() - started < 100
