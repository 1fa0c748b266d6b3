"""Registered models, and the scoring server of MLflow that answers for them."""

import asyncio
import base64
import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest

from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.stages import register
from headrace.stages import test as test_stage
from headrace.storage.atomic import write_json
from headrace.tracking import launch, sender
from headrace.tracking.served import verification
from tests.projects import calibrate

TABLE = [("table", "classification")]
TEXT = [("text", "classification")]
IMAGE = [("image", "classification")]
ROW = {"size": 1.5, "noise": 0.5, "colour": "red", "seen": "2022-01-11"}
"""A row of the table that `tests.projects` draws."""


def register_project(project: Paths, check=None, **settings) -> None:
    """Runs the stages after `train`, as the model `worth`; `settings` are those of `quantize`.

    `check`: in place of the fresh process that checks the served model.
    """
    with pytest.MonkeyPatch.context() as patched, sending_in_threads(patched):
        if check:
            patched.setattr(verification, "run_check", check)
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        project.params_path.write_text("{}\n")
        write_json(project.metrics_path("train"), {"val_loss": 1.0})
        calibrate(project, **settings)
        write_json(project.metrics_path("test"), test_stage.run(test_stage.Config(robustness_rows=0), project))
        metrics = register.run(register.Config(name="worth"), project)
    assert metrics["version"] == metrics["is_champion"] == 1


def check_in_process(folder, log_path):
    """Checks a served model without another import of MLflow."""
    del log_path
    verification.answer_rows(str(folder))


@contextmanager
def sending_in_threads(patched):
    """Replaces the sender's process by threads, which have ended at the end of the block; no check has a process."""
    patched.setattr(verification, "run_check", check_in_process)
    threads = []

    def spawn(paths):
        thread = threading.Thread(target=sender.send_outbox, args=(str(paths.tracking_root),), daemon=True)
        threads.append(thread)
        thread.start()
        return os.getpid()

    patched.setattr(launch, "spawn_sender", spawn)
    yield
    for thread in threads:
        thread.join()


def model_dir(paths):
    """The folder of the registered model."""
    return paths.tracking_root / json.loads(paths.registered_path.read_text())["files"]


def rows_as_json(paths, raw):
    """Raw rows as a client sends them: the source's columns, images as base64."""
    spec = Spec.read(paths.normalized_dir)
    if spec.modality == "image":
        return [{"image": base64.b64encode(row["image"]).decode()} for row in raw]
    names = [column.name for column in spec.columns] or ["text"]
    return [{name: row[name] for name in names} for row in raw]


def call_app(server, body, content_type="application/json"):
    """Posts to an ASGI app; returns the status and the parsed answer."""
    sent = []
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    scope = {
        "type": "http", "method": "POST", "path": "/invocations", "query_string": b"", "http_version": "1.1",
        "headers": [(b"content-type", content_type.encode())],
    }  # fmt: skip

    async def receive():
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(server(scope, receive, send))
    text = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(text)


def rejection(answer):
    """The message of an HTTP 400 of one line, without a stack trace or a path."""
    status, content = answer
    assert status == 400, content
    assert set(content) == {"error_code", "message", "sqlstate", "error_class"}
    message = content["message"]
    assert "\n" not in message
    assert "Traceback" not in message
    assert not re.search(r"/\w+/", message), "a path of the server"
    return message


def csv_of(rows):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def bodies(rows):
    """The same rows in every form that the server reads."""
    names = list(rows[0])
    columns = {name: [row[name] for row in rows] for name in names}
    parquet = io.BytesIO()
    pd.DataFrame(rows).to_parquet(parquet)
    yield {"dataframe_split": {"columns": names, "data": [list(row.values()) for row in rows]}}, "application/json"
    yield from (({name: rows}, "application/json") for name in ("dataframe_records", "inputs", "instances"))
    yield from (({name: columns}, "application/json") for name in ("inputs", "instances"))
    yield csv_of(rows), "text/csv; charset=utf-8"
    yield parquet.getvalue(), "application/vnd.apache.parquet"


@contextmanager
def mlflow_server(folder, log_path):
    """`mlflow models serve` of a model in a folder, without headrace on its path."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = f"mlflow models serve -m {folder} -p {port} -h 127.0.0.1 --env-manager local".split()
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    with log_path.open("w") as log:
        server = subprocess.Popen(
            command, cwd=log_path.parent, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while True:
            assert server.poll() is None, log_path.read_text()
            with suppress(ConnectionError, urllib.error.URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=30).close()
                break
            time.sleep(0.25)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def post(url, body, content_type="application/json"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
