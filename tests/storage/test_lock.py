import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.errors import DataError
from headrace.storage.lock import exclusive_lock, try_lock, wait_for_lock

HOLDER = """
import sys, time
from pathlib import Path
from headrace.storage.lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "stage train"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_lock_held_by_another_process_names_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "train.lock"
    with holder(path) as process:
        message = (
            rf"train\.lock: stage train is already running here \(process {process.pid}\); wait for it, or stop it$"
        )
        for _ in range(2):  # a refusal does not release the lock
            with pytest.raises(DataError, match=message), exclusive_lock(path, "stage train"):
                raise AssertionError
        with exclusive_lock(path.with_name("clean.lock"), "stage clean"):  # another stage may run
            pass
        process.communicate("end\n")
    assert process.returncode == 0
    with exclusive_lock(path, "stage train"):
        pass


def test_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "train.lock"
    with holder(path) as process:
        process.kill()
        assert process.wait() == -signal.SIGKILL
    with exclusive_lock(path, "stage train"):
        assert path.with_suffix(".pid").read_text() == f"{os.getpid()}\n"
    assert not path.with_suffix(".pid").exists()


def test_lock_is_released_by_an_error(tmp_path: Path) -> None:
    path = tmp_path / "train.lock"
    with pytest.raises(ValueError, match="^oops$"), exclusive_lock(path, "stage train"):
        raise ValueError("oops")
    with exclusive_lock(path, "stage train"):
        assert path.with_suffix(".pid").exists()


def test_lock_held_by_this_process_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "train.lock"
    refused = pytest.raises(DataError, match=rf"\(process {os.getpid()}\)")
    with exclusive_lock(path, "stage train"), refused, exclusive_lock(path, "stage train"):
        raise AssertionError


def test_try_lock_takes_what_is_free_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "train.lock"
    release = try_lock(path)
    assert release is not None
    assert try_lock(path) is None
    release()
    with holder(path):
        assert try_lock(path) is None


def test_wait_for_lock_waits_for_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "train.lock"
    code = (
        "import sys; from pathlib import Path; from headrace.storage.lock import wait_for_lock\n"
        "print('waiting', flush=True)\n"
        "with wait_for_lock(Path(sys.argv[1])): print('entered', flush=True)"
    )
    with holder(path):
        waiting = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waiting\n"
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)
    assert waiting.communicate()[0] == "entered\n"
    with wait_for_lock(path):
        assert try_lock(path) is None
