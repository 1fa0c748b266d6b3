"""`headrace ui`: serves MLflow's web pages on this machine only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress

from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.tracking.uri import remove_credentials, tracking_uri

HOST = "127.0.0.1"
SHUTDOWN_TIMEOUT_S = 5


def serve_ui(paths: Paths, port: int) -> int:
    """Serves the project's runs until interrupted; raises ConfigError if the port is taken."""
    uri = tracking_uri(paths)
    if uri.startswith(("http://", "https://")):
        print(f"MLflow: {remove_credentials(uri)}  (the server in MLFLOW_TRACKING_URI)")  # noqa: T201
        return 0
    check_port(port)
    print(f"MLflow: http://{HOST}:{port}  (Ctrl-C stops it)", flush=True)  # noqa: T201
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
    # as variables: everybody on the machine can read a process's arguments, and a password in them
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_BACKEND_STORE_URI": uri}
    with subprocess.Popen(command, env=environment) as server:
        try:
            return server.wait()
        finally:
            _stop(server.pid)


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
