"""The command line of submitting, as far as no cluster is needed; with one: tests/e2e."""

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.command_line import run_command


def run(*arguments: str) -> object:
    with pytest.raises(SystemExit) as exited:
        run_command(list(arguments))
    return exited.value.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["submit", "trian"], "headrace: submit: 'trian' is not a stage of dvc.yaml; choose one of ['train']"),
        (["submit", "-S", "train.max_epocs=3"], "headrace: params.yaml: train.max_epocs: unknown key"),
        (["submit", "--retries", "-1"], "headrace: command line: --retries: must be greater than or equal to 0; see"),
        (
            ["jobs", "follo"],
            "headrace: command line: No such command 'follo'. Did you mean 'follow'?; see: headrace jobs",
        ),
        (["jobs", "follow"], "headrace: jobs: none was submitted from this project; run headrace submit, or give an"),
        (["jobs", "stop"], "headrace: command line: Missing argument 'ID'; see: headrace jobs --help"),
        (["jobs", "list", "--address", "x"], "headrace: --address: 'x' is not a URL of a dashboard"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("train: {max_epochs: 1}\n")
    (tmp_path / "dvc.yaml").write_text("stages: {train: {cmd: headrace train}}\n")
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_a_tracking_uri_that_cannot_work_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    assert run("submit") == 2
    assert capsys.readouterr().err.startswith("headrace: MLFLOW_TRACKING_URI: './mlruns' is a folder")


def test_the_commands_are_listed_without_importing_settings() -> None:
    code = "import sys, headrace.command_line; print([name for name in ('pydantic', 'dvc') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
