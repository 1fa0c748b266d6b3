"""Served = tested: MLflow's server answers every test row over HTTP as `test` recorded it, for every modality."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.stages import register
from headrace.stages import test as test_stage
from headrace.storage.atomic import write_json
from headrace.storage.parquet import read_table
from tests.e2e.conftest import free_ports
from tests.projects import calibrate

KINDS = [(modality, "classification") for modality in ("image", "text", "table")] + [("table", "regression")]
ROWS_PER_REQUEST = 64


@contextmanager
def serve(paths: Paths) -> Iterator[str]:
    """Runs `mlflow models serve` on the champion; yields the address of its answers."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/served@champion", "-p", str(port)]
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{paths.root}/mlflow.db"}
    log_path = paths.root / "server.log"
    with log_path.open("w") as log:
        server = subprocess.Popen(
            [*command, "--env-manager", "local"],
            cwd=paths.root,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/ping", server, log_path)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def wait_until_up(address: str, server: "subprocess.Popen[bytes]", log_path: Path) -> None:
    """Returns when the server answers; the limit of the whole test ends it."""
    while server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(log_path.read_text()[-3000:])


def ask(address: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        address, json.dumps({"dataframe_records": rows}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answers: list[dict[str, Any]] = json.load(response)["predictions"]
    return answers


def read_test_rows(paths: Paths) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The test rows as a client has them, and what `test` recorded of them."""
    spec = Spec.read(paths.normalized_dir)
    recorded = pq.read_table(paths.report_dir("test") / "predictions.parquet").to_pylist()
    raw = {row["row_id"]: row for row in read_table(paths.raw_dir).to_pylist()}
    names = [column.name for column in spec.columns] or [spec.modality]
    rows = [{name: raw[row["row_id"]][name] for name in names} for row in recorded]
    if spec.modality == "image":
        rows = [{"image": base64.b64encode(row["image"]).decode()} for row in rows]
    return rows, recorded


@pytest.mark.slow
@pytest.mark.parametrize("project", KINDS, indirect=True, ids="-".join)
def test_server_answers_every_test_row_as_it_was_tested(project: Paths) -> None:
    project.params_path.write_text("{}\n")
    write_json(project.metrics_path("train"), {"val_loss": 1.0})
    calibrate(project)
    tested = test_stage.run(test_stage.Config(), project)
    write_json(project.metrics_path("test"), tested)
    register.run(register.Config(name="served"), project)
    assert json.loads(project.registered_path.read_text())["precision"] == "int8"
    rows, recorded = read_test_rows(project)
    with serve(project) as address:
        parts = [
            ask(address, rows[start : start + ROWS_PER_REQUEST]) for start in range(0, len(rows), ROWS_PER_REQUEST)
        ]
        alone = [ask(address, [row])[0] for row in rows[:5]]
    answers = [answer for part in parts for answer in part]
    assert len(answers) == len(recorded) == tested["num_rows"]
    assert alone == answers[:5]
    if "rmse" in tested:
        errors = [answer["prediction"] - row["target"] for answer, row in zip(answers, recorded, strict=True)]
        assert [answer["prediction"] for answer in answers] == pytest.approx([row["predicted"] for row in recorded])
        assert (sum(error**2 for error in errors) / len(errors)) ** 0.5 == pytest.approx(tested["rmse"])
        return
    assert [answer["label"] for answer in answers] == [row["predicted"] for row in recorded]
    assert [answer["confidence"] for answer in answers] == pytest.approx(
        [row["confidence"] for row in recorded], abs=1e-6
    )
    is_right = [answer["label"] == row["target"] for answer, row in zip(answers, recorded, strict=True)]
    assert sum(is_right) / len(is_right) == tested["accuracy"]
