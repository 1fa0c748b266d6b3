"""Real servers and ports of this machine, and folders without and with a project."""

import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.commands.inspection.service_checks import (
    check_commands,
    check_dvc,
    check_mlflow,
    check_port,
    check_project,
    check_ray,
    check_services,
    find_last_address,
)
from headrace.paths import Paths
from headrace.storage.atomic import write_json

ROOT = Path(__file__).parents[3]


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers /health, asks for a token elsewhere, and fails below /broken."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503 if self.path.startswith("/broken") else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Writes nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def test_folder_without_a_project_has_no_error_but_says_so(tmp_path: Path) -> None:
    checks = {check.name: check for check in check_services(Paths(tmp_path))}
    assert list(checks) == ["commands", "project", "dvc", "mlflow", "ray", "port"]
    assert (checks["project"].state, checks["project"].detail) == ("warning", f"no project in {tmp_path}")
    assert checks["dvc"].state == checks["mlflow"].state == "ok"


def test_commands_must_be_in_path_and_of_this_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        for name in ("dvc", "headrace"):
            (tmp_path / folder / name).touch(mode=0o755)
    states = {}
    for path in ("here", "there", "nowhere"):
        monkeypatch.setenv("PATH", str(tmp_path / path))
        states[path] = check_commands(tmp_path / "here").state
    assert states == {"here": "ok", "there": "warning", "nowhere": "error"}


def test_project_with_a_mistake_or_old_files(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert check_project(Paths(ROOT)).state == "ok"
    for name in ("params.yaml", "dvc.yaml", "code.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "model_code", tmp_path / "model_code")
    (tmp_path / "code.json").write_text("{}")
    assert (check_project(paths).state, check_project(paths).remedy) == ("warning", "headrace upgrade")
    paths.params_path.write_text("train: {learning_rat: 1}")
    assert check_project(paths).state == "error"
    assert "did you mean 'learning_rate'?" in check_project(paths).detail


def test_project_outside_of_a_dvc_repository_is_an_error(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.params_path.touch()
    assert check_dvc(paths).state == "error"
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {ingest: {cmd: headrace ingest}}")
    assert check_dvc(paths).detail == f"1 stages, repository {tmp_path}"
    (tmp_path / "dvc.yaml").write_text("stages: [")
    assert check_dvc(paths).state == "error"


def test_mlflow_is_asked_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, closed_port: int
) -> None:
    paths, states = Paths(tmp_path), []
    place = server.removeprefix("http://")
    away = f"127.0.0.1:{closed_port}"
    uris = [server, f"http://me:secret@{place}", f"{server}/broken", f"http://{away}"]
    for uri in (*uris, f"postgresql://me:secret@{place}/runs", f"postgresql://me@{away}/runs", "runs"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        check = check_mlflow(paths)
        assert "secret" not in check.detail
        states.append(check.state)
    assert states == ["ok", "ok", "error", "error", "ok", "error", "error"]


def test_ray_is_asked_at_the_address_of_the_last_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, closed_port: int
) -> None:
    paths = Paths(tmp_path)
    assert find_last_address(paths) == ""
    write_json(paths.state_dir / "jobs" / "b.json", {"address": server, "submitted": 2.0})
    write_json(paths.state_dir / "jobs" / "a.json", {"address": "http://127.0.0.1:1", "submitted": 1.0})
    assert check_ray(paths).detail == f"a cluster answers at {server}", "with a token, which doctor does not have"
    for address, state in ((f"127.0.0.1:{closed_port}", "warning"), (server.partition("//")[2], "ok"), ("auto", "ok")):
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert check_ray(paths).state == state, address


def test_port_in_use_is_a_warning_with_another_port(server: str, closed_port: int) -> None:
    port = int(server.rpartition(":")[2])
    assert (check_port(port).state, check_port(port).remedy) == ("warning", f"headrace ui --port {port + 1}")
    assert check_port(closed_port).state == "ok"
