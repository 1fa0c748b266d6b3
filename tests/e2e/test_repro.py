"""`dvc repro` from end to end on a folder of a few hundred images, with two real Ray workers."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from headrace.paths import OUTS
from headrace.stages import STAGES
from headrace.tracking.run_view.fields import COUNTING_STAGES, describe_counts
from tests.projects import write_image_folder

BIN = Path(sys.executable).parent
pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow]


def run(folder, *command, check=True):
    """Runs a command in the project as a user would."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip
    environment.pop("MLFLOW_TRACKING_URI", None)
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=540)
    if check:
        assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return process


def edit_params(folder, **changes):
    """`edit_params(folder, train={"seed": 1})` merges into the sections."""
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    for section, values in changes.items():
        params[section].update(values)
    yaml.dump(params, folder / "params.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory, clone_into):
    """A clone of the working tree, its source a folder of images with faults, after one `dvc repro`."""
    folder = tmp_path_factory.mktemp("e2e") / "project"
    clone_into(folder)
    photos = write_image_folder(folder / "photos", 110)
    (photos / "disc" / "broken.png").write_bytes((photos / "disc" / "0000.png").read_bytes()[:60])
    (photos / "disc" / "empty.png").write_bytes(b"")
    shutil.copy(photos / "cross" / "0001.png", photos / "cross" / "twice.png")
    shutil.copy(photos / "cross" / "0002.png", photos / "square" / "disagrees.png")
    edit_params(
        folder,
        ingest={"source": "photos"},
        train={"max_epochs": 8, "batch_size": 32, "num_workers": 2, "augmentation": [{"name": "HorizontalFlip"}]},
        validate={"gate": {"accuracy": {"min": 0.5}}},
    )
    text = (folder / "dvc.yaml").read_text()
    (folder / "dvc.yaml").write_text(text.replace("    params:\n", "    deps:\n    - photos\n    params:\n", 1))
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "a project")
    done = run(folder, "dvc", "repro")
    (folder / "first.log").write_text(done.stdout + "\n--- stderr ---\n" + done.stderr)
    run(folder, "headrace", "sync")  # the metrics of register may be on their way
    return folder


@pytest.fixture(scope="module")
def client(project):
    from mlflow import MlflowClient

    uri = f"sqlite:///{project / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def metrics_of(project, stage):
    return json.loads((project / "metrics" / f"{stage}.json").read_text())


def test_repro_leaves_every_out_and_flat_metrics(project):
    for stage in STAGES:
        assert all((project / out).exists() for out in OUTS[stage]), stage
        assert all(isinstance(value, int | float) for value in metrics_of(project, stage).values())
    assert not list(project.glob("**/*.tmp"))


def test_repro_keeps_the_terminal_readable(project):
    log = (project / "first.log").read_text()
    lines = [
        line for line in log.splitlines() if line and not line.startswith(("Running stage", "> ", "Updating lock"))
    ]
    noise = [line for line in lines if any(word in line for word in ("Warning", "INFO", "raylet", "pid=", "Traceback"))]
    assert noise == []
    assert any("epoch 8/8" in line and "samples/s" in line and "lr " in line for line in lines)


def test_faulty_images_are_in_quarantine_with_reasons(project):
    import pyarrow.parquet as pq

    rows = pq.read_table(project / "data" / "quarantine", columns=["path", "check", "reason"]).to_pylist()
    rejected = {Path(row["path"]).name: row["check"] for row in rows}
    assert rejected["broken.png"] == "undecodable"
    assert rejected["empty.png"] == "undecodable"
    assert rejected["disagrees.png"] == "conflicting_labels"
    assert "duplicate" in rejected.values()
    assert all(row["reason"] for row in rows)
    clean = metrics_of(project, "clean")
    assert clean["rows_in"] == 334 == clean["rows_out"] + clean["quarantined"]


def test_model_learned_and_int8_agrees(project):
    assert metrics_of(project, "test")["accuracy"] > 0.85
    assert metrics_of(project, "train")["workers"] == 2
    assert metrics_of(project, "train")["export_difference"] < 1e-4
    assert metrics_of(project, "explain")["deletion"] > 0


def test_bundle_holds_nothing_that_is_unpickled(project):
    assert {path.suffix for path in (project / "models").glob("**/*") if path.is_file()} == {
        ".json",
        ".onnx",
        ".safetensors",
    }
    artifacts = [path for path in (project / "mlartifacts").glob("**/*") if path.is_file()]
    assert artifacts
    assert not [path for path in artifacts if path.suffix in {".pkl", ".pickle", ".pt", ".pth", ".joblib"}]


def test_run_in_mlflow_tells_the_whole_pipeline(project, client):
    runs = client.search_runs([client.get_experiment_by_name("headrace").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"]
    (run,) = runs
    for stage in COUNTING_STAGES:
        assert run.data.tags[stage] == describe_counts(metrics_of(project, stage))
    for stage in STAGES[len(COUNTING_STAGES) :]:
        for name, value in metrics_of(project, stage).items():
            assert run.data.metrics[f"{stage}/{name}"] == pytest.approx(value), f"{stage}/{name}"
    lock = YAML(typ="safe").load(project / "dvc.lock")
    normalized = next(out["md5"] for out in lock["stages"]["normalize"]["outs"] if out["path"] == "data/normalized")
    assert run.data.tags["headrace.data.normalized"] == normalized
    assert run.data.tags["mlflow.source.git.commit"] == subprocess.check_output(
        ["git", "rev-parse", "HEAD"], cwd=project, text=True
    ).strip()  # fmt: skip
    assert run.data.params["batch_size"] == "32"
    assert {each.dataset.digest for each in run.inputs.dataset_inputs} >= {normalized}
    assert run.info.run_name == f"cnn @{run.data.tags['mlflow.source.git.commit'][:7]}"
    history = client.get_metric_history(run.info.run_id, "fit/val_accuracy")
    assert len(history) == 8
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"params.yaml", "lineage.json", "settings.json", "plots", "reports"} <= artifacts


def test_registered_model_predicts_raw_images_without_torch(project, client):
    registered = json.loads((project / "registered.json").read_text())
    version = client.get_model_version_by_alias(registered["name"], "champion")
    assert int(version.version) == registered["version"] == 1
    assert version.tags["data.normalized"]
    code = f"""
import sys, json, mlflow, pandas as pd
from pathlib import Path
mlflow.set_tracking_uri("sqlite:///{project / "mlflow.db"}")
model = mlflow.pyfunc.load_model("{registered["uri"]}")
paths = sorted(Path("{project / "photos"}").glob("*/00[0-9][0-9].png"))
answers = model.predict(pd.DataFrame({{"image": [path.read_bytes() for path in paths]}}))
right = [label == path.parent.name for label, path in zip(answers["label"], paths)]
heavy = [name for name in ("torch", "ray", "headrace", "pytorch_lightning") if name in sys.modules]
requirements = Path(mlflow.artifacts.download_artifacts("{registered["uri"]}") , "requirements.txt").read_text().split()
print(json.dumps([sum(right) / len(right), heavy, requirements, model.metadata.signature.inputs.to_dict()]))
"""
    done = run(project, sys.executable, "-c", code)
    accuracy, heavy, requirements, inputs = json.loads(done.stdout.splitlines()[-1])
    assert accuracy > 0.85
    assert heavy == []
    assert not [line for line in requirements if line.startswith("torch")]
    assert all("==" in line for line in requirements)
    assert inputs == [{"type": "binary", "name": "image", "required": True}]


def test_served_model_answers_for_a_raw_png(project):
    registered = json.loads((project / "registered.json").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        "mlflow",
        "models",
        "serve",
        "-m",
        registered["uri"],
        "-p",
        str(port),
        "-h",
        "127.0.0.1",
        "--env-manager",
        "local",
    ]
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}",
    }
    with (project / "serve.log").open("w") as log:
        server = subprocess.Popen(command, cwd=project, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        picture = base64.b64encode((project / "photos" / "disc" / "0003.png").read_bytes()).decode()
        body = json.dumps({"dataframe_split": {"columns": ["image"], "data": [[picture]]}}).encode()
        answer = post_when_up(f"http://127.0.0.1:{port}/invocations", body, server)
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)
    (row,) = answer["predictions"]
    assert row["label"] == "disc"
    assert 1 / 3 < row["confidence"] <= 1


def post_when_up(url, body, server):
    """Posts as soon as the server listens."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except (ConnectionError, urllib.error.URLError):
            time.sleep(0.25)
    raise AssertionError("the server does not respond")


def test_dvc_shows_metrics_plots_and_order(project):
    assert "accuracy" in run(project, "dvc", "metrics", "show").stdout
    assert "register" in run(project, "dvc", "dag").stdout
    run(project, "dvc", "plots", "show", "--out", "plots_page")
    page = (project / "plots_page" / "index.html").read_text()
    assert all(title in page for title in ("Training", "Confusion", "Calibration"))
    shutil.rmtree(project / "plots_page")


def test_status_shows_the_table(project):
    table = run(project, "headrace", "status").stdout
    assert "334 in" in table
    assert "95 % interval" in table
    assert "version 1" in table


def test_second_repro_is_a_no_op(project):
    before = (project / "dvc.lock").read_bytes()
    done = run(project, "dvc", "repro")
    assert "Data and pipelines are up to date." in done.stdout
    assert "Running stage" not in done.stdout
    assert (project / "dvc.lock").read_bytes() == before


def test_edit_of_quantize_runs_only_what_follows(project, client):
    run(project, "git", "add", "dvc.lock")
    run(project, "git", "commit", "-qm", "results")
    edit_params(project, quantize={"methods": ["static"], "max_latency": 100.0, "max_loss": 0.5, "max_size": 0.9})
    log = run(project, "dvc", "repro").stdout
    ran = [line.split("'")[1] for line in log.splitlines() if line.startswith("Running stage")]
    assert ran == ["quantize", "test", "explain", "register"]
    diff = run(project, "dvc", "metrics", "diff").stdout
    assert "served/bytes" in diff
    assert "num_candidates" not in diff
    assert len(client.search_runs([client.get_experiment_by_name("headrace").experiment_id])) == 1
    assert metrics_of(project, "register")["version"] == 2


def test_gate_that_fails_stops_with_code_3(project):
    edit_params(project, validate={"gate": {"accuracy": {"min": 1.0}, "loss": {"max": 0.0}}})
    done = run(project, "headrace", "validate", check=False)
    edit_params(project, validate={"gate": {"accuracy": {"min": 0.5}}})
    assert done.returncode == 3
    assert done.stderr.startswith("headrace: ")
    assert done.stderr.count("\n") == 1
    assert np.isfinite(metrics_of(project, "validate")["loss"])
