"""Stages below a process that stands for `dvc repro`: run in forks, with its signals, and not beyond its life."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from headrace.fork_client import SERVER_OF_COMMAND, SOCKETS_DIR, hash_process
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.atomic import write_text
from tests.projects import table_rows

RUN_STAGES = """
import os, subprocess, sys
for stage in sys.argv[1:]:
    process = subprocess.Popen([sys.executable, "-m", "headrace", stage], env=os.environ | {"DVC_STAGE": stage})
    print("client", process.pid, flush=True)
    print("code", process.wait(), flush=True)
"""
"""Runs stages as `dvc repro` does: each in a process whose environment names the stage."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a small table."""
    rows, values = table_rows(60)
    lines = [
        ",".join([*rows[0], "value"]),
        *(f"{','.join(row.values())},{value}" for row, value in zip(rows, values, strict=True)),
    ]
    write_text(tmp_path / "table.csv", "\n".join(lines) + "\n")
    source = {"ingest": "{source: table.csv, target: value}", "clean": "{}", "split": "{}", "tune": "{}"}
    others = {stage: "{}" for stage in STAGES if stage not in source}
    write_text(tmp_path / "params.yaml", "".join(f"{name}: {text}\n" for name, text in (source | others).items()))
    return tmp_path


def start(folder: Path, *stages: str, **variables: str) -> subprocess.Popen[str]:
    """Starts the stages below one process that stands for dvc."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables
    environment.pop("DVC_STAGE", None)
    return subprocess.Popen(
        [sys.executable, "-c", RUN_STAGES, *stages],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def read_log(folder: Path) -> list[str]:
    """The stages that ran in forks."""
    path = folder / ".headrace" / "logs" / "fork_server.log"
    return [line.partition(":")[0] for line in path.read_text().splitlines()] if path.is_file() else []


def find_servers(owner: int) -> list[psutil.Process]:
    """The processes of the server of `owner`, and the stages forked from it."""
    command = ["fork-server", str(owner)]
    return [process for process in psutil.process_iter(["cmdline"]) if command == (process.info["cmdline"] or [])[3:5]]


def wait_until(condition: Callable[[], object]) -> None:
    """Waits for a condition; the limit of the whole test ends it."""
    while not condition():
        time.sleep(0.02)


def test_every_stage_has_a_server() -> None:
    assert set(SERVER_OF_COMMAND) == {*STAGES, "send", "check-served", "fit-baselines"}


def test_stages_run_in_forks_and_the_server_ends_with_its_owner(folder: Path) -> None:
    owner = start(folder, "ingest", "clean", "split")
    output, errors = owner.communicate()
    assert (output.count("code 0"), errors) == (3, "")
    assert read_log(folder) == ["ingest", "clean", "split"]
    assert (folder / "metrics" / "split.json").is_file()
    wait_until(lambda: not find_servers(owner.pid))
    assert not list((folder / SOCKETS_DIR).iterdir())


@pytest.mark.parametrize("project", [("table", "classification")], indirect=True)
def test_baselines_are_fitted_in_a_fork_that_ends_before_the_stage(project: Paths) -> None:
    settings = {"ingest": "{source: rows.csv, target: worth, task: classification}", "register": "{name: x}"}
    lines = [f"{stage}: {settings.get(stage, '{}')}\n" for stage in STAGES]
    write_text(project.params_path, "".join(lines))
    owner = start(project.root, "validate")
    assert "code 0" in owner.communicate()[0]
    assert [name for name in read_log(project.root) if name != "send"] == ["validate", "fit-baselines"]
    report = json.loads((project.report_dir("validate") / "baselines.json").read_bytes())
    assert [entry["skipped"] for entry in report["baselines"]] == [None] * 3


def test_without_dvc_a_stage_starts_no_server(folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    subprocess.run([sys.executable, "-m", "headrace", "ingest"], cwd=folder, env=environment, check=True)
    assert not (folder / SOCKETS_DIR).exists()


def test_plain_mode_starts_no_server(folder: Path) -> None:
    assert "code 0" in start(folder, "ingest", HEADRACE_PLAIN="1").communicate()[0]
    assert not (folder / SOCKETS_DIR).exists()


@pytest.mark.parametrize("stage", ["split", "quantize"])
def test_error_of_a_forked_stage_reaches_the_caller(folder: Path, stage: str) -> None:
    output, errors = start(folder, stage).communicate()
    assert "code 2" in output
    assert errors.startswith("headrace: ")
    assert errors.count("\n") == 1
    assert read_log(folder) == [stage]


def test_process_in_another_environment_runs_the_stage_itself(folder: Path) -> None:
    program = RUN_STAGES.replace('{"DVC_STAGE": stage}', '{"DVC_STAGE": stage, "COLUMNS": str(len(stage))}')
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, "ingest", "clean"]
    assert subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
    assert read_log(folder) == ["ingest"]
    assert (folder / "metrics" / "clean.json").is_file()


def test_hash_of_a_process_covers_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_process()
    monkeypatch.setenv("DVC_STAGE", "clean")
    assert hash_process() == before
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert hash_process() != before


@pytest.fixture
def blocked(folder: Path) -> Path:
    """A project whose stages wait for ever: their settings are a pipe into which nobody writes."""
    (folder / "params.yaml").unlink()
    os.mkfifo(folder / "params.yaml")
    return folder


def start_blocked(folder: Path) -> tuple[subprocess.Popen[str], psutil.Process, psutil.Process]:
    """Starts a stage that waits; returns its owner, its client and its fork."""
    owner = start(folder, "split")
    assert owner.stdout is not None
    client = psutil.Process(int(owner.stdout.readline().split()[1]))
    wait_until(lambda: read_log(folder))
    return owner, client, psutil.Process(int((folder / ".headrace/logs/fork_server.log").read_text().split()[-1]))


def test_signal_to_the_client_ends_the_stage_as_it_does_without_a_server(blocked: Path) -> None:
    owner, client, fork = start_blocked(blocked)
    client.send_signal(signal.SIGTERM)
    assert "code 143" in owner.communicate()[0]
    assert not fork.is_running()


def test_killed_client_takes_the_stage_with_it(blocked: Path) -> None:
    owner, client, fork = start_blocked(blocked)
    client.kill()
    assert f"code {-signal.SIGKILL}" in owner.communicate()[0]
    wait_until(lambda: not fork.is_running())


def test_killed_server_takes_the_stage_with_it(blocked: Path) -> None:
    owner, _, fork = start_blocked(blocked)
    for server in find_servers(owner.pid):
        if server.is_running():
            server.kill()
    output, errors = owner.communicate()
    assert f"code {128 + signal.SIGKILL}" in output
    assert errors == "headrace: the fork server was killed; run the same command again\n"
    wait_until(lambda: not fork.is_running())
