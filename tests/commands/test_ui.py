import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from headrace.commands.ui import HOST, check_port, serve_ui
from headrace.errors import ConfigError
from headrace.paths import Paths

ROOT = Path(__file__).parents[2]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def ui(tmp_path: Path, port: int) -> subprocess.Popen[str]:
    """`headrace ui` in `tmp_path`, with MLflow's real server."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    environment["PYTHONPATH"] = str(ROOT / "pipeline")
    return subprocess.Popen(
        [sys.executable, "-m", "headrace", "ui", "--port", str(port)],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_check_port_that_is_taken_suggests_the_next(taken: int) -> None:
    with pytest.raises(ConfigError, match=rf"^--port: {taken} on 127\.0\.0\.1 cannot be used \(Address already in use"):
        check_port(taken)


def test_check_port_of_the_last_port_suggests_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ConfigError, match=r"such as --port 1$"):
        check_port(65535)


def test_check_port_leaves_a_free_port_free() -> None:
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


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_ui_serves_on_loopback_until_interrupted(tmp_path: Path, number: signal.Signals, code: int) -> None:
    port = free_port()
    with ui(tmp_path, port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"MLflow: http://127.0.0.1:{port}  (Ctrl-C stops it)\n"
        assert "MLflow" in fetch_when_up(f"http://127.0.0.1:{port}/", process)
        family = psutil.Process(process.pid).children(recursive=True)
        listening = [item.laddr.ip for child in family for item in child.net_connections() if item.status == "LISTEN"]
        assert set(listening) == {"127.0.0.1"}
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert not [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    check_port(port)
    assert (tmp_path / "mlflow.db").is_file()


def fetch_when_up(url: str, process: subprocess.Popen[str]) -> str:
    """Fetches the page as soon as the server listens."""
    for _ in range(600):
        assert process.poll() is None
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except (ConnectionError, urllib.error.URLError):
            time.sleep(0.2)
    raise AssertionError("the server does not respond")


def test_ui_with_a_server_prints_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example:8443")
    assert serve_ui(Paths(tmp_path), 5000) == 0
    assert capsys.readouterr().out.startswith("MLflow: https://mlflow.example:8443 ")
