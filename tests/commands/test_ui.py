import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.commands.ui import HOST, check_port
from pipeline.errors import ConfigError

ROOT = Path(__file__).parents[2]
FAKE_MLFLOW = """
import json, os, socket, subprocess, sys
if sys.argv[1:2] == ["ui"]:  # as MLflow does: the server is a process of its own
    port = sys.argv[sys.argv.index("--port") + 1]
    print(json.dumps(sys.argv[1:]), os.environ["MLFLOW_DISABLE_TELEMETRY"], flush=True)
    sys.exit(subprocess.run([sys.executable, __file__, "serve", port]).returncode)
server = socket.create_server(("127.0.0.1", int(sys.argv[2])))
print("serving", os.getpid(), flush=True)
server.accept()
sys.exit(5)
"""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def ui(tmp_path: Path, port: int) -> subprocess.Popen[str]:
    """`headrace ui` in `tmp_path`, with a stand-in for MLflow."""
    (tmp_path / "fake" / "mlflow").mkdir(parents=True)
    (tmp_path / "fake" / "mlflow" / "__init__.py").touch()
    (tmp_path / "fake" / "mlflow" / "__main__.py").write_text(FAKE_MLFLOW)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    environment["PYTHONPATH"] = f"{tmp_path / 'fake'}:{ROOT}"
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "ui", "--port", str(port)],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_check_port_of_one_that_is_taken_suggests_the_next(taken: int) -> None:
    with pytest.raises(ConfigError, match=rf"^--port: {taken} on 127\.0\.0\.1 cannot be used \(Address already in use"):
        check_port(taken)


def test_check_port_of_the_last_one_suggests_one_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ConfigError, match=r"such as --port 1$"):
        check_port(65535)


def test_check_port_leaves_a_free_one_free() -> None:
    port = free_port()
    check_port(port)
    socket.create_server((HOST, port)).close()


def test_ui_on_a_taken_port_is_one_line(tmp_path: Path, taken: int) -> None:
    with ui(tmp_path, taken) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert err == (
        f"headrace: --port: {taken} on 127.0.0.1 cannot be used (Address already in use); choose another, "
        f"such as --port {taken + 1}\n"
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_ui_that_is_ended_ends_the_server_and_all_its_processes(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    port = free_port()
    with ui(tmp_path, port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"MLflow: http://127.0.0.1:{port}  (Ctrl-C ends it)\n"
        asked = process.stdout.readline()
        assert f'"--backend-store-uri", "sqlite:///{tmp_path}/mlflow.db", "--host", "127.0.0.1"' in asked
        assert asked.endswith("] true\n")
        server_pid = int(process.stdout.readline().removeprefix("serving "))
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert not psutil.pid_exists(server_pid) or psutil.Process(server_pid).status() == psutil.STATUS_ZOMBIE
    check_port(port)


def test_ui_hands_on_the_servers_exit_code(tmp_path: Path) -> None:
    port = free_port()
    with ui(tmp_path, port) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("serving"):
            pass
        socket.create_connection((HOST, port)).close()
        process.communicate(timeout=60)
    assert process.returncode == 5
