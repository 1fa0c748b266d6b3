"""The entry point, as a process: it imports the command line only for what it runs itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from headrace import __version__
from headrace.__main__ import enter_project
from headrace.paths import Paths
from headrace.tracking.outbox import open_outbox

MODULE = [sys.executable, "-m", "headrace"]


@pytest.mark.parametrize("command", [MODULE, [str(Path(sys.executable).with_name("headrace"))]])
def test_version(command: list[str]) -> None:
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{__version__}\n"


def test_invalid_command_is_one_line() -> None:
    done = subprocess.run([*MODULE, "trian"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("headrace: command line: ")


def test_send_delivers_the_outbox_of_a_project(tmp_path: Path) -> None:
    outbox = open_outbox(Paths(tmp_path))
    outbox.append({"kind": "end", "run_key": "none", "status": "FINISHED"})
    subprocess.run([*MODULE, "send", str(tmp_path)], cwd=tmp_path, check=True)
    assert not outbox.read_pending()


@pytest.mark.parametrize("option", [["--project", "a"], ["--project=a"], ["--project", ".", "--project", "a"]])
def test_project_is_entered_before_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    assert enter_project([*option, "status", "--project", "x"]) == ["status", "--project", "x"]
    assert Path.cwd() == tmp_path / "a"


@pytest.mark.parametrize("arguments", [[], ["status"], ["--project"], ["--project", "nowhere", "status"]])
def test_arguments_without_a_folder_to_enter_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert enter_project(arguments) == arguments
    assert Path.cwd() == tmp_path
