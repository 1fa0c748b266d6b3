"""The entry point, as a process: it imports the command line only for what it runs itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from headrace import __version__
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
