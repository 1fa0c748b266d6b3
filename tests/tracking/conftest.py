"""A trained project whose registry is empty, and a real MLflow server."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from headrace.storage.atomic import write_json


@pytest.fixture
def tracked(trained, monkeypatch):
    """A trained project with the metrics of two stages and a history."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trained.params_path.write_text("train: {batch_size: 64}\n")
    write_json(trained.metrics_path("ingest"), {"rows": 900})
    write_json(trained.metrics_path("train"), {"val_accuracy": 0.75, "epochs": 2})
    history = "epoch,step,train_loss,val_loss\n1,10,1.5,1.25\n2,20,1.0,0.75\n"
    (trained.plots_dir("train") / "history.csv").write_text(history)
    return trained


@pytest.fixture
def server(tmp_path):
    """Starts a real tracking server when called; returns its address and the process."""
    processes = []

    def start(port=None):
        if port is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{tmp_path}/server.db",
            "--artifacts-destination", f"{tmp_path}/artifacts",
        ]  # fmt: skip
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        log = (tmp_path / "server.log").open("w")
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        processes.append((process, log))
        address = f"http://127.0.0.1:{port}"
        for _ in range(1800):
            assert process.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5):
                    return address, process
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise AssertionError("the server does not start")

    yield start
    for process, log in processes:
        if process.poll() is None:
            os.killpg(process.pid, 15)
            process.wait(30)
        log.close()
