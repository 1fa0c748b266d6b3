"""The job on the cluster: its workspace, DVC's exit code, and where it leaves the results."""

import sys
from pathlib import Path

import pytest

from headrace.cluster import job
from headrace.cluster.jobs.results import archive_name

LATER = ["--register-later"]
"""Without MLflow, which takes seconds to import."""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.slow
def test_main_runs_dvc_and_returns_the_exit_code_of_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "command -v headrace > where.txt && headrace --version"
    write(tmp_path / "dvc.yaml", f"stages: {{a: {{cmd: {command}, outs: [where.txt]}}}}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert job.main(LATER) == 0
    assert (tmp_path / "dvc.lock").exists()
    assert Path((tmp_path / "where.txt").read_text()).parent != Path(sys.executable).parent, "need not be installed"
    write(tmp_path / "params.yaml", "train: {max_epocs: 3}\n")
    write(tmp_path / "dvc.yaml", "stages: {a: {cmd: headrace train}}")
    assert job.main(LATER) == 2


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], ["train", "test"]),
        (["train"], ["train"]),
        (["train", "register"], ["train"]),
        (["register"], ["train", "test"]),
    ],
)
def test_stages_of_a_job_that_leaves_the_registration(tmp_path: Path, wanted: list[str], expected: list[str]) -> None:
    write(tmp_path / "dvc.yaml", "stages: {train: {cmd: a}, test: {cmd: b}, register: {cmd: c}}")
    assert job.list_stages_but_register(tmp_path, wanted) == expected


def test_stages_of_a_project_without_registration_are_all(tmp_path: Path) -> None:
    write(tmp_path / "dvc.yaml", "stages: {train: {cmd: a}}")
    assert job.list_stages_but_register(tmp_path, []) == []


def test_workspace_keeps_data_but_not_deleted_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pipeline/headrace/new.py", "params.yaml"):
        write(tmp_path / "upload" / name, "new")
    for name in ("pipeline/headrace/old.py", "params.yaml", "data/raw/a"):
        write(tmp_path / "workspace" / name, "old")
    monkeypatch.setenv("HEADRACE_WORKSPACE", str(tmp_path / "workspace"))
    root = job.prepare_workspace(tmp_path / "upload")
    files = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert files == {"pipeline/headrace/new.py": "new", "params.yaml": "new", "data/raw/a": "old"}


def test_archive_path_is_next_to_the_jobs_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in (("job-driver-x.log", tmp_path / archive_name("x")), ("else.log", None)):
        monkeypatch.setattr(Path, "readlink", lambda _, name=name: tmp_path / name)
        assert job.find_archive_path() == expected
