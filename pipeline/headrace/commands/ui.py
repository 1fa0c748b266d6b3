"""`headrace ui`: MLflow's pages, on this machine only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress

from headrace.errors import ConfigError
from headrace.paths import Paths

HOST = "127.0.0.1"
SECONDS_TO_END = 5


def serve_ui(paths: Paths, port: int) -> int:
    """Serves the project's runs until it is interrupted; raises ConfigError when the port is taken."""
    from headrace.tracking.client import tracking_uri, without_credentials

    uri = tracking_uri(paths)
    if uri.startswith(("http://", "https://")):
        print(f"MLflow: {without_credentials(uri)}  (the server that MLFLOW_TRACKING_URI names)")  # noqa: T201
        return 0
    check_port(port)
    print(f"MLflow: http://{HOST}:{port}  (Ctrl-C ends it)", flush=True)  # noqa: T201
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
    # by the environment: arguments, and a database's password in them, are seen by everybody on the machine
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_BACKEND_STORE_URI": uri}
    with subprocess.Popen(command, env=environment) as server:
        try:
            return server.wait()
        finally:
            _end(server.pid)


def _end(pid: int) -> None:
    """Ends the server and all that it started: its web workers would outlive it, and keep the port."""
    import psutil

    try:
        server = psutil.Process(pid)
        processes = [server, *server.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(processes, timeout=SECONDS_TO_END)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def check_port(port: int) -> None:
    """Raises ConfigError when nothing can listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"--port: {port} on {HOST} cannot be used ({error.strerror}); choose another, "
                f"such as --port {port % 65535 + 1}"
            ) from None
