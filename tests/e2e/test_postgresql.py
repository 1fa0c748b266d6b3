"""Runs and registry in a real PostgreSQL: the URI of the documentation, with the driver of the extra `postgresql`."""

import os
import shutil
import socket
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from headrace.stages import test
from headrace.stages.register import Config, run
from headrace.storage.atomic import write_json
from headrace.storage.bundle import read_bundle
from headrace.tracking.client import connect, find_or_create_experiment
from headrace.tracking.launch import keep_sender
from headrace.tracking.recorder import record_training
from headrace.tracking.uri import check_tracking_uri
from tests.projects import calibrate

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
OTHER_USER = "nobody"
"""PostgreSQL does not run as root."""
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAMS is None and shutil.which("initdb") is None, reason="PostgreSQL is not installed"),
    pytest.mark.skipif(find_spec("psycopg") is None, reason="no psycopg: pip install 'headrace[postgresql]'"),
]


@pytest.fixture
def database():
    """A PostgreSQL server of its own, on loopback; yields the URI of its database."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    as_other = {"user": OTHER_USER, "extra_groups": []} if os.getuid() == 0 else {}
    folder = tempfile.mkdtemp(prefix="headrace-pg-", dir="/tmp")
    if as_other:
        shutil.chown(folder, OTHER_USER)

    def call(program, *arguments):
        command = [str((PROGRAMS or Path()) / program), *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **as_other)

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    call("initdb", "-D", f"{folder}/data", "-U", "mlflow", "--auth=trust", "-E", "UTF8", "--locale=C")
    call("pg_ctl", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
    try:
        yield f"postgresql://mlflow@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def test_training_and_registration_are_recorded(trained, database, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.chdir(trained.root)  # artifacts go to ./mlartifacts
    check_tracking_uri(trained)
    card = read_bundle(trained.trained_dir).card
    card.settings["class_weights"] = {"R&B": 2.0}
    card.settings["model"]["name"] = "my_package." + "x" * 300
    with keep_sender(trained), record_training(trained, card, tmp_path / "work") as recorder:
        for step in (10, 20):
            recorder.observe({"kind": "epoch", "epoch": 0, "step": step, "val_loss": 0.1 / step})
    trained.params_path.write_text("register: {name: shapes}\n")
    calibrate(trained)
    write_json(trained.metrics_path("test"), test.run(test.Config(), trained))
    assert run(Config(name="shapes"), trained)["version"] == 1
    assert run(Config(name="shapes"), trained)["version"] == 1
    client = connect(trained)
    (stored,) = client.search_runs([find_or_create_experiment(client, trained)])
    assert stored.info.status == "FINISHED"
    assert stored.data.params["class_weights.R:26:B"] == "2.0"
    history = client.get_metric_history(stored.info.run_id, "fit/val_loss")
    assert [(metric.step, metric.value) for metric in history] == [(10, 0.01), (20, 0.005)]
    assert client.get_model_version_by_alias("shapes", "champion").run_id == stored.info.run_id
