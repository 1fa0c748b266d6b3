"""`headrace ui`: serves MLflow's web pages on this machine only, and prints the address of the project's runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from headrace.errors import ConfigError, TrackingError
from headrace.paths import Paths
from headrace.tracking.database import relocate_artifacts
from headrace.tracking.run_view.columns import make_runs_path
from headrace.tracking.uri import experiment_name, remove_credentials, tracking_uri

HOST = "127.0.0.1"
SHUTDOWN_TIMEOUT_S = 5
POLL_S = 0.1
ANSWER_TIMEOUT_S = 5.0
"""For one request; a server elsewhere that takes longer is shown without the page of the runs."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Neither statistics of usage, nor the processes for jobs of its GenAI pages, which take a minute on a busy machine."""


def serve_ui(paths: Paths, port: int) -> int:
    """Serves the project's runs until interrupted; raises ConfigError if the port is taken, TrackingError if it fails.

    What the server logs is in `.headrace/logs/ui.log`.
    """
    uri = tracking_uri(paths)
    if uri.startswith(("http://", "https://")):
        print(f"MLflow (the server in MLFLOW_TRACKING_URI):\n{find_runs_page(remove_credentials(uri))}")  # noqa: T201
        return 0
    check_port(port)
    relocate_artifacts(paths)
    print("MLflow starts (Ctrl-C stops it)", flush=True)  # noqa: T201
    options = ["--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    # as a variable: everybody on the machine can read a process's arguments, and a password in them
    environment = os.environ | QUIET | {"MLFLOW_BACKEND_STORE_URI": uri}
    log_path = paths.logs_dir / "ui.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "ui", *options]
    with log_path.open("wb") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
        try:
            if _wait_until_up(server, f"http://{HOST}:{port}"):
                print(f"runs: {find_runs_page(f'http://{HOST}:{port}')}", flush=True)  # noqa: T201
            code = server.wait()
        finally:
            _stop(server.pid)
    if code:
        raise TrackingError(f"MLflow: the server ended with code {code}: {_read_last_line(log_path)}; see {log_path}")
    return 0


def find_runs_page(server: str) -> str:
    """Returns the address of the project's runs, in MLflow's pages for training; that of the server if it has none."""
    path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={quote(experiment_name(), safe='')}"
    with suppress(OSError, ValueError, KeyError), _open(f"{server.rstrip('/')}{path}") as answer:
        experiment = json.load(answer)["experiment"]
        tags = {tag["key"]: tag["value"] for tag in experiment.get("tags", [])}
        return server.rstrip("/") + make_runs_path(experiment["experiment_id"], tags)
    return server


def _wait_until_up(server: subprocess.Popen[bytes], address: str) -> bool:
    """Waits for the first answer; returns False if the server ends before it."""
    while server.poll() is None:
        with suppress(OSError), _open(f"{address}/health"):
            return True
        time.sleep(POLL_S)
    return False


def _open(url: str) -> Any:
    """Opens a URL; no proxy of the environment knows this machine's own ports."""
    proxies = [urllib.request.ProxyHandler({})] if url.startswith(f"http://{HOST}:") else []
    return urllib.request.build_opener(*proxies).open(url, timeout=ANSWER_TIMEOUT_S)


def _read_last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")


def _stop(pid: int) -> None:
    """Stops the server and its web workers, which would outlive it and keep the port."""
    import psutil

    try:
        server = psutil.Process(pid)
        processes = [server, *server.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(processes, timeout=SHUTDOWN_TIMEOUT_S)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def check_port(port: int) -> None:
    """Raises ConfigError if the port cannot be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"--port: {port} on {HOST} cannot be used ({error.strerror}); choose another, "
                f"such as --port {port % 65535 + 1}"
            ) from None
