"""What is sent, what is refused, what is told; the jobs themselves are in tests/e2e/test_submit.py."""

import asyncio
import io
import os
import socket
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.cluster import job, upload
from headrace.cluster.results import archive_name
from headrace.cluster.submit import MAX_RECONNECTIONS, _ended, _Lines, _stream, submit_job
from headrace.cluster.upload import find_files_to_send, make_job_environment, pack_project
from headrace.errors import ClusterError, ConfigError
from headrace.paths import Paths

SENT = [
    ".dvc/config",
    ".dvcignore",
    "dvc.lock",
    "dvc.yaml",
    "mine/models/net.py",
    "params.yaml",
    "pipeline/headrace/x.py",
]
NOT_SENT = [
    ".dvc/config.local", ".dvc/cache/files/md5/00/a", ".dvc/tmp/lock", ".env", ".git/HEAD", ".headrace/logs/a.log",
    ".venv/bin/python", "data/raw/a.parquet", "env/pyvenv.cfg", "env/lib/x.py", "metrics/test.json", "mlartifacts/a",
    "mlflow.db", "mlflow.db-wal", "models/trained/weights", "pipeline/headrace/__pycache__/x.pyc", "plots/a",
    "registered.json", "reports/a", "secret/key.txt",
]  # fmt: skip


def put(root: Path, *names: str, text: str = "text") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    put(tmp_path, *SENT, *NOT_SENT)
    put(tmp_path, "params.yaml", text="ingest: {source: mnist5k}\n")
    put(tmp_path, ".rayignore", text="secret\n")
    return Paths(tmp_path)


def sent(paths: Paths) -> list[str]:
    return [file.relative_to(paths.root).as_posix() for file in find_files_to_send(paths)]


def set_source(paths: Paths, source: str) -> None:
    put(paths.root, "params.yaml", text=f"ingest: {{source: {source!r}}}\n")


def test_pack_sends_code_and_settings_only(project: Paths, tmp_path: Path) -> None:
    assert sorted(sent(project)) == SENT
    pack_project(project, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert sorted(archive.namelist()) == SENT
        assert archive.read("pipeline/headrace/x.py") == b"text"


def test_pack_twice_gives_equal_bytes(project: Paths, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("archives")
    pack_project(project, folder / "a.zip")
    (project.root / "pipeline/headrace/x.py").touch()
    pack_project(project, folder / "b.zip")
    assert (folder / "a.zip").read_bytes() == (folder / "b.zip").read_bytes()


def test_source_inside_the_project_is_sent_even_from_data(project: Paths) -> None:
    put(project.root, "data/photos/cat/1.jpg", "data/photos/cat/.2.jpg")
    set_source(project, "data/photos")
    assert sorted(set(sent(project)) - set(SENT)) == ["data/photos/cat/.2.jpg", "data/photos/cat/1.jpg"]


def test_source_that_only_the_cluster_or_a_url_has_is_left_alone(project: Paths, tmp_path_factory) -> None:
    for source in ("s3://bucket/photos", "/shared/photos", str(tmp_path_factory.mktemp("elsewhere"))):
        set_source(project, source)
        assert sorted(sent(project)) == SENT


def test_source_that_the_cluster_cannot_find_is_refused(project: Paths) -> None:
    put(project.root, "photos/1.jpg")
    set_source(project, str(project.root / "photos"))
    with pytest.raises(ConfigError, match=r"params\.yaml: ingest\.source: .*; write photos, or"):
        sent(project)
    put(project.root.parent, "outside/1.jpg")
    set_source(project, "../outside")
    with pytest.raises(ConfigError, match="move it into the project"):
        sent(project)


def test_too_large_a_project_is_refused_with_its_largest_folder(
    project: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "LIMIT_BYTES", 2 * 2**20)
    put(project.root, "big/photos/1.bin")
    (project.root / "big/photos/1.bin").write_bytes(os.urandom(3 * 2**20))
    with pytest.raises(
        ClusterError, match=r"is 3 MiB, a cluster takes 2 .* big/photos \(3 MiB\): name it in \.rayignore"
    ):
        pack_project(project, tmp_path / "a.zip")


def test_limit_is_the_installed_rays() -> None:
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE

    assert upload.LIMIT_BYTES == DASHBOARD_CLIENT_MAX_SIZE


def test_environment_passes_what_is_ours_only() -> None:
    ours = {"MLFLOW_TRACKING_URI": "http://mlflow:5000", "HEADRACE_WORKSPACE": "/shared/a"}
    assert make_job_environment(ours | {"MLFLOW_TRACKING_PASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "y"}) == ours


@pytest.mark.parametrize("uri", ["http://me:hunter2@mlflow:5000", "https://hunter2@mlflow"])
def test_environment_with_a_password_is_refused_without_telling_it(uri: str) -> None:
    with pytest.raises(ClusterError, match="MLFLOW_TRACKING_URI: holds a user or password") as caught:
        make_job_environment({"MLFLOW_TRACKING_URI": uri})
    assert "hunter2" not in str(caught.value)


def test_lines_are_whole_and_without_rays_own() -> None:
    log, told = io.StringIO(), list[str]()
    lines = _Lines(log, told.append)
    for chunk in (
        "2026-01-01 10:00:00,000\tINFO job_manager.py:581 -- Runtime",
        " env is setting up.\nRunning entrypoint for job x: y\nfir", "st\nse", "cond",
    ):  # fmt: skip
        lines.add(chunk)
    lines.end()
    assert told == ["first", "second"]
    assert lines.last == "second"
    assert len(log.getvalue().splitlines()) == 4


class Cuts:
    """A client whose connection breaks once; the log is told from its beginning each time."""

    def __init__(self) -> None:
        self.num_calls = 0

    async def tail_job_logs(self, submission_id: str) -> AsyncIterator[str]:
        self.num_calls += 1
        yield f"one of {submission_id}\ntwo\n"
        if self.num_calls == 1:
            raise RuntimeError("WebSocket connection closed unexpectedly")
        yield "three\n"

    def get_job_status(self, _: str) -> Any:
        return SimpleNamespace(is_terminal=lambda: True)


def test_stream_over_a_lost_connection_tells_each_line_once() -> None:
    told: list[str] = []
    last = asyncio.run(_stream(Cuts(), "a", _Lines(io.StringIO(), told.append)))
    assert told == ["one of a", "two", "three"]
    assert last == "three"


def test_job_that_did_not_start_is_an_error() -> None:
    info = SimpleNamespace(driver_exit_code=None, message="no room\nfor it", status=SimpleNamespace(value="FAILED"))
    with pytest.raises(ClusterError, match=r"ended as FAILED \(no room\); its log: a\.log"):
        _ended(info, "", Path("a.log"), print)


class Stranger(BaseHTTPRequestHandler):
    """A server that is no Ray."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def refusal(project: Paths, address: str) -> str:
    with pytest.raises(ClusterError) as caught:
        submit_job(project, address=address, wait=True, echo=print)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_submit_to_nobody_is_refused_in_one_line(project: Paths) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert refusal(project, address).startswith(f"{address}: not reachable (")


def test_submit_to_a_stranger_is_refused_in_one_line(project: Paths, stranger: str) -> None:
    assert "is no Ray dashboard" in refusal(project, stranger)


@pytest.mark.parametrize("address", ["127.0.0.1:8265", "auto", "some_module://x", "http://"])
def test_submit_to_no_address_is_refused_in_one_line(project: Paths, address: str) -> None:
    assert refusal(project, address).startswith("--address: ")


def test_submit_with_a_password_in_the_address_is_refused_without_telling_it(project: Paths) -> None:
    assert "hunter2" not in refusal(project, "http://me:hunter2@127.0.0.1:1")


@pytest.mark.slow
def test_job_runs_dvc_and_returns_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "dvc.yaml", text="stages: {a: {cmd: touch metrics.txt, outs: [metrics.txt]}}")
    monkeypatch.chdir(tmp_path)
    assert job.main() == 0
    assert (tmp_path / "dvc.lock").exists()
    put(tmp_path, "dvc.yaml", text="stages: {a: {cmd: exit 3}}")
    assert job.main() == 255


def test_workspace_keeps_its_data_and_loses_modules_that_were_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "upload", "pipeline/headrace/new.py", "params.yaml", text="new")
    put(tmp_path / "workspace", "pipeline/headrace/old.py", "params.yaml", "data/raw/a", text="old")
    monkeypatch.setenv("HEADRACE_WORKSPACE", str(tmp_path / "workspace"))
    root = job._workspace(tmp_path / "upload")
    files = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert files == {"pipeline/headrace/new.py": "new", "params.yaml": "new", "data/raw/a": "old"}


def test_archive_lies_beside_the_jobs_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in (("job-driver-x.log", tmp_path / archive_name("x")), ("else.log", None)):
        monkeypatch.setattr(Path, "readlink", lambda _, name=name: tmp_path / name)
        assert job._archive_path() == expected


class Gone(Cuts):
    """A cluster that went away."""

    async def tail_job_logs(self, submission_id: str) -> AsyncIterator[str]:
        self.num_calls += 1
        if submission_id:
            raise ConnectionRefusedError
        yield ""


def test_stream_of_a_cluster_that_went_away_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_wait(_: float) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", no_wait)
    client = Gone()
    with pytest.raises(ConnectionError, match="lost too often"):
        asyncio.run(_stream(client, "a", _Lines(io.StringIO(), print)))
    assert client.num_calls == MAX_RECONNECTIONS
