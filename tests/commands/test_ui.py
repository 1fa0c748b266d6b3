import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from headrace.commands.ui import HOST, check_port, find_runs_page, serve_ui
from headrace.errors import ConfigError, TrackingError
from headrace.paths import Paths
from headrace.tracking.client import connect, find_or_create_experiment

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
def test_ui_serves_on_loopback_until_interrupted(
    tmp_path: Path, number: signal.Signals, code: int, empty_registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, page = free_port(), ""
    if number == signal.SIGINT:  # the other project has no runs yet
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shutil.copy(empty_registry, tmp_path / "mlflow.db")
        experiment = find_or_create_experiment(connect(Paths(tmp_path)), Paths(tmp_path))
        page = f"/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey=headrace"
    with ui(tmp_path, port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "MLflow starts (Ctrl-C stops it)\n"
        assert process.stdout.readline() == f"runs: http://127.0.0.1:{port}{page}\n"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            assert "MLflow" in answer.read().decode()
        family = psutil.Process(process.pid).children(recursive=True)
        listening = [item.laddr.ip for child in family for item in child.net_connections() if item.status == "LISTEN"]
        assert set(listening) == {"127.0.0.1"}
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    assert err.count("\n") <= 1, "what the server logs is in a file"
    assert not [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    check_port(port)
    assert (tmp_path / "mlflow.db").is_file()


def test_ui_with_a_server_prints_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    assert serve_ui(Paths(tmp_path), 5000) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "http://127.0.0.1:9"


def test_runs_page_is_that_of_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "R&D/1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    answers = {
        "/api/2.0/mlflow/experiments/get-by-name?experiment_name=R%26D%2F1": b'{"experiment": {"experiment_id": "7"}}'
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers.get(self.path, b"{}"))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://{HOST}:{server.server_port}"
        assert find_runs_page(f"{address}/") == f"{address}/#/experiments/7/runs?workflowType=machine_learning"
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "other")
        assert find_runs_page(address) == address
        server.shutdown()


def test_server_that_ends_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho $*\necho the reason\necho\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    port = free_port()
    with pytest.raises(TrackingError, match=r"^MLflow: the server ended with code 3: the reason; see .*/logs/ui\.log$"):
        serve_ui(Paths(tmp_path), port)
    command = (tmp_path / ".headrace" / "logs" / "ui.log").read_text().splitlines()[0]
    assert command.startswith(f"-m mlflow ui --host 127.0.0.1 --port {port} --workers 1 ")
    assert capsys.readouterr().out == "MLflow starts (Ctrl-C stops it)\n"
