"""Submitting: what is refused before anything is sent, and what a job is started with; real jobs: tests/e2e."""

import subprocess
from pathlib import Path

import pytest

from headrace.cluster.submit import JobRequest, describe_commit, make_entrypoint, submit_job
from headrace.errors import ClusterError, ConfigError
from headrace.paths import Paths

CLOSED = "http://127.0.0.1:1"


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "params.yaml").write_text("ingest: {source: mnist5k}\n")
    (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: echo 1 > a, outs: [a]}}\n")
    return Paths(tmp_path)


def submit(paths: Paths) -> list[str]:
    lines: list[str] = []
    assert submit_job(paths, JobRequest(address=CLOSED), lines.append) is None
    return lines


def test_a_source_that_is_nowhere_is_refused_before_the_cluster_is_asked(project: Paths) -> None:
    (project.root / "params.yaml").write_text("ingest: {source: mnits5k}\n")
    with pytest.raises(ConfigError, match="'mnits5k' is no file or folder of the project"):
        submit(project)


def test_a_folder_without_dvc_is_refused(project: Paths) -> None:
    (project.root / ".dvc").rmdir()
    with pytest.raises(ConfigError, match="is not a DVC project"):
        submit(project)


def test_a_dvc_yaml_that_is_no_pipeline_is_refused(project: Paths) -> None:
    (project.root / "dvc.yaml").write_text("stages: {a: {outs: [a]}}\n")
    with pytest.raises(ConfigError, match="DVC: "):
        submit(project)


def test_nothing_is_sent_if_nothing_changed(project: Paths) -> None:
    with pytest.raises(ClusterError, match="not reachable"):
        submit(project)
    (project.root / "dvc.yaml").write_text("stages: {}\n")
    assert submit(project) == ["nothing changed: all stages are up to date; --force submits all the same"]


def test_an_uncommitted_edit_is_recorded(project: Paths) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.check_output(["git", "-C", project.root, *identity, *arguments], text=True).strip()

    git("init", "-q")
    git("add", "params.yaml")
    git("commit", "-qm", "one")
    clean = {"git_commit": git("rev-parse", "HEAD"), "git_dirty": "false"}
    assert describe_commit(project) == clean
    (project.root / "params.yaml").write_text("ingest: {source: digits}\n")
    assert describe_commit(project) == clean | {"git_dirty": "true"}


def test_entrypoint_leaves_the_registration_to_a_project_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    request = JobRequest(stages=("train",), num_retries=2, deadline_minutes=1.5)
    expected = "python -m headrace.cluster.job --retries 2 --deadline-s 90.0 --register-later train"
    assert make_entrypoint(request) == expected
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert make_entrypoint(JobRequest(), "photos.dvc") == "python -m headrace.cluster.job --pull photos.dvc"
