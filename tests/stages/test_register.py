"""Register: versions with lineage in a real registry; champion only if not worse."""

import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from headrace.commands.inspection.status import make_rows
from headrace.config import validate_section
from headrace.errors import GateError, TrackingError
from headrace.evaluation.gates.bounds import Gate
from headrace.evaluation.gates.verdicts import read_report
from headrace.stages import STAGES, quantize, test, validate
from headrace.stages.register import Config, run
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import write_json, write_text
from headrace.storage.bundle import read_bundle
from headrace.tracking.client import connect, find_or_create_experiment
from tests.projects import LENIENT, calibrate

pytestmark = pytest.mark.slow  # real registrations


@pytest.fixture
def evaluated(trained, monkeypatch):
    """A project in the state before `register`."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trained.params_path.write_text("{}\n")
    write_json(trained.metrics_path("train"), {"val_accuracy": 1.0})
    calibrate(trained)
    write_json(trained.metrics_path("test"), test.run(test.Config(robustness_rows=0), trained))
    trained.report_dir("explain").mkdir(parents=True)
    return trained


def test_register_creates_a_version_that_predicts(evaluated):
    metrics = run(Config(name="shapes"), evaluated)
    version = json.loads(evaluated.registered_path.read_bytes())
    assert metrics["version"] == version["version"] == 1
    assert (version["gate"], version["champion"]["verdict"]) == ("no rules", "first")
    assert metrics["served_rows"] == 200
    assert version["aliases"] == ["challenger", "champion"]
    assert version["precision"] == "int8"
    val = open_arrays(evaluated.normalized_dir / "val")
    pictures = []
    for pixels in val.inputs[:40]:
        buffer = io.BytesIO()
        Image.fromarray(np.array(pixels)[..., 0]).save(buffer, "PNG")
        pictures.append(buffer.getvalue())
    (evaluated.root / "pictures.json").write_text(json.dumps([picture.hex() for picture in pictures]))
    code = f"""
import json, sys, mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{evaluated.root}/mlflow.db")
pictures = [bytes.fromhex(text) for text in json.load(open("{evaluated.root}/pictures.json"))]
answers = mlflow.pyfunc.load_model("models:/shapes@champion").predict(pd.DataFrame({{"image": pictures}}))
heavy = [name for name in ("torch", "headrace") if name in sys.modules]
print(json.dumps([list(answers["label"]), list(answers["confidence"]), heavy]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=evaluated.root)
    labels, confidences, heavy = json.loads(done.stdout.splitlines()[-1])
    names = ["cross", "disc", "square"]
    assert np.mean([label == names[target] for label, target in zip(labels, val.targets, strict=False)]) > 0.9
    assert all(1 / 3 <= confidence <= 1 for confidence in confidences)
    assert heavy == []


def test_register_completes_the_run_and_tags_its_origin(evaluated):
    run(Config(name="shapes"), evaluated)
    client = connect(evaluated)
    (run_info,) = client.search_runs([find_or_create_experiment(client, evaluated)])
    assert run_info.info.status == "FINISHED"
    tested = json.loads(evaluated.metrics_path("test").read_bytes())
    assert run_info.data.metrics["test/accuracy"] == tested["accuracy"]
    version = client.get_model_version_by_alias("shapes", "champion")
    assert version.run_id == run_info.info.run_id
    assert version.tags["training_id"] == read_bundle(evaluated.trained_dir).card.training_id
    assert version.tags["test.accuracy"] == f"{tested['accuracy']:.4f}"
    folder = evaluated.root / "mlartifacts" / "models" / model_id_of(version) / "artifacts" / "evaluation"
    assert pq.read_table(folder / "test.parquet") == pq.read_table(evaluated.report_dir("test") / "predictions.parquet")
    record, card = json.loads((folder / "record.json").read_text()), read_bundle(evaluated.trained_dir).card
    assert record["settings"]["train"] == json.loads(json.dumps(card.settings))
    assert record["metrics"]["test"] == tested
    assert record["lineage"]["packages"]["torch"]


def test_each_version_has_its_own_report(evaluated):
    for number in (1, 2):
        write_json(evaluated.metrics_path("train"), {"val_accuracy": 1.0, "fit_seconds": number})
        if number == 2:
            write_text(evaluated.held_contract_path, "columns: {}\n")
        run(Config(name="shapes", intended_use=f"Use {number}."), evaluated)
        version = connect(evaluated).get_model_version("shapes", str(number))
        folder = evaluated.root / "mlartifacts" / "models" / model_id_of(version) / "artifacts" / "report"
        contract = ["contract.yaml"] if number == 2 else []
        assert {path.name for path in folder.iterdir()} == {"index.html", "model_card.md", *contract}
        assert f"shapes, version {number}" in (folder / "index.html").read_text()
        assert evaluated.report_path.read_bytes() == (folder / "index.html").read_bytes()
        assert f"For: Use {number}." in version.description
        assert len(version.description) <= 5000


def test_register_without_int8_uses_float32(evaluated):
    calibrate(evaluated, max_latency=0.001)
    with pytest.raises(GateError, match="does not answer as it was tested: .* nothing was registered; run: dvc repro"):
        run(Config(name="shapes"), evaluated)  # another graph than the one that was tested
    write_json(evaluated.metrics_path("test"), test.run(test.Config(), evaluated))
    run(Config(name="shapes"), evaluated)
    assert json.loads(evaluated.registered_path.read_bytes())["precision"] == "float32"


def test_register_keeps_the_champion_when_the_new_one_is_worse(evaluated):
    run(Config(name="shapes"), evaluated)
    bundle = json.loads((evaluated.trained_dir / "bundle.json").read_text())
    bundle["training_id"] = "1" * 16  # another training, half of whose predictions are correct
    (evaluated.trained_dir / "bundle.json").write_text(json.dumps(bundle))
    path = evaluated.report_dir("test") / "predictions.parquet"
    table = pq.read_table(path)
    correct = pa.array([index % 2 == 0 for index in range(table.num_rows)])
    pq.write_table(table.set_column(table.schema.get_field_index("correct"), "correct", correct), path)
    metrics = run(Config(name="shapes"), evaluated)
    assert metrics["version"] == 2
    assert metrics["is_champion"] == 0
    assert metrics["champion_difference"] > 0.3
    registered = json.loads(evaluated.registered_path.read_bytes())
    assert registered["champion"]["verdict"] == "worse"
    assert registered["champion"]["sentence"].startswith("not champion: worse than shapes version 1 (loss 0.")
    client = connect(evaluated)
    tags = client.get_model_version("shapes", "2").tags
    assert (tags["champion.verdict"], tags["gate.verdict"]) == ("worse", "no rules")
    assert int(client.get_model_version_by_alias("shapes", "champion").version) == 1
    assert int(client.get_model_version_by_alias("shapes", "challenger").version) == 2


def test_versions_of_one_training_are_compared_by_their_own_answers(evaluated):
    run(Config(name="shapes"), evaluated)
    path = evaluated.report_dir("test") / "predictions.parquet"
    table = pq.read_table(path)
    wrong = pa.array([index % 2 == 0 for index in range(table.num_rows)])
    pq.write_table(table.set_column(table.schema.get_field_index("correct"), "correct", wrong), path)
    write_json(evaluated.metrics_path("test"), json.loads(evaluated.metrics_path("test").read_bytes()) | {"loss": 9.0})
    metrics = run(Config(name="shapes"), evaluated)
    assert (metrics["version"], metrics["is_champion"]) == (2, 0), "their run has the predictions of the second alone"
    assert metrics["champion_difference"] > 0.3


def test_gate_against_the_champion_compares_validation_rows(evaluated, capsys):
    run(Config(name="headrace"), evaluated)
    assert "register: headrace version 1: champion, as the first version" in capsys.readouterr().out
    gate = validate_section(Gate, {"not_worse_than_champion_by": 0.05}, "gate")
    calibrate_with(evaluated, gate)
    (rule,) = read_report(evaluated.report_dir("quantize")).rules
    assert (rule.verdict, rule.rows, rule.value) == ("passed", 200, 0.0)
    blank = np.lib.format.open_memmap(evaluated.normalized_dir / "val" / "targets.npy", mode="r+")
    blank[:] = (blank + 1) % 3  # every answer is wrong now, and the champion's stored ones were right
    blank.flush()
    with pytest.raises(GateError, match="accuracy lost against the champion .* is above 0.05"):
        calibrate_with(evaluated, gate)
    assert read_report(evaluated.report_dir("validate")).rules[0].verdict == "failed"


def calibrate_with(paths, gate):
    write_json(paths.metrics_path("validate"), validate.run(validate.Config(gate=gate), paths))
    write_json(paths.metrics_path("quantize"), quantize.run(quantize.Config(**LENIENT), paths))


KILLS = (
    "create_logged_model", "log_model_artifacts", "log_batch", "finalize_logged_model", "create_registered_model",
    "create_model_version", "set_registered_model_alias", "set_model_version_tag", "update_model_version",
    "champion",
)  # fmt: skip
"""The steps of a registration; `champion` is the last alias, which no version without a description gets."""
KILLED = """
import os, signal, sys
from pathlib import Path
import mlflow.pyfunc
from mlflow import MlflowClient
from headrace.paths import Paths
from headrace.stages.register import Config, run
from headrace.tracking.served import verification
verification.run_check = lambda folder, log_path: verification.answer_rows(str(folder))
def kill_after(name):
    original = getattr(MlflowClient, name.replace("champion", "set_registered_model_alias"))
    def call_and_die(*arguments, **options):
        original(*arguments, **options)
        if name != "champion" or "champion" in arguments:
            os.kill(os.getpid(), signal.SIGKILL)
    setattr(MlflowClient, original.__name__, call_and_die)
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        kill_after(name)
        run(Config(name="shapes"), Paths(Path.cwd()))
        os._exit(0)
    print(name, os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.faults
def test_register_finishes_what_killed_ones_began(evaluated):
    command = [sys.executable, "-c", KILLED, *KILLS]
    killed = subprocess.run(command, cwd=evaluated.root, capture_output=True, text=True)
    endings = [line for line in killed.stdout.splitlines() if not line.startswith("waiting for MLflow")]
    assert endings == [f"{name} {int(signal.SIGKILL)}" for name in KILLS], killed.stderr
    assert not evaluated.registered_path.exists()
    metrics = run(Config(name="shapes"), evaluated)
    assert {name: value for name, value in metrics.items() if not name.startswith("served_")} == {
        "version": 1, "is_champion": 1, "int8": 1,
    }  # fmt: skip
    assert json.loads(evaluated.registered_path.read_bytes())["champion"]["verdict"] == "first"
    client = connect(evaluated)
    experiment = find_or_create_experiment(client, evaluated)
    assert [item.info.status for item in client.search_runs([experiment])] == ["FINISHED"]
    (model,) = client.search_logged_models([experiment])
    assert str(model.status) == "READY"
    (version,) = client.search_model_versions("name = 'shapes'")
    assert version.source == model.artifact_location
    assert {item.path for item in client.list_logged_model_artifacts(model.model_id)} >= {"MLmodel", "artifacts"}
    assert client.get_model_version_by_alias("shapes", "champion").version == version.version
    assert "shapes version 1" in version.description


def test_register_of_the_same_content_is_the_same_version_with_the_same_page(evaluated):
    run(Config(name="shapes"), evaluated)
    before = connect(evaluated).get_model_version("shapes", "1")
    write_json(evaluated.metrics_path("train"), {"val_accuracy": 1.0, "fit_seconds": 9})
    assert run(Config(name="shapes"), evaluated)["version"] == 2
    write_json(evaluated.metrics_path("train"), {"val_accuracy": 1.0})
    assert run(Config(name="shapes"), evaluated)["version"] == 1
    assert connect(evaluated).get_model_version("shapes", "1").description == before.description
    assert run(Config(name="shapes", intended_use="demos"), evaluated)["version"] == 3, "another statement"


def test_versions_of_one_training_keep_their_own_metrics(evaluated):
    run(Config(name="shapes"), evaluated)
    path = evaluated.metrics_path("test")
    first = json.loads(path.read_bytes())
    write_json(path, first | {"accuracy": 0.25})
    assert run(Config(name="shapes"), evaluated)["version"] == 2
    client = connect(evaluated)
    figures = {
        version.version: {
            metric.key: metric.value for metric in client.get_logged_model(model_id_of(version)).metrics
        }["test/accuracy"]
        for version in client.search_model_versions("name = 'shapes'")
    }  # fmt: skip
    assert {str(number): value for number, value in figures.items()} == {"1": first["accuracy"], "2": 0.25}
    (stored,) = client.search_runs([find_or_create_experiment(client, evaluated)])
    history = client.get_metric_history(stored.info.run_id, "test/accuracy")
    assert [metric.value for metric in history] == [first["accuracy"], 0.25], "the run has each once"


def model_id_of(version):
    """MLflow's SQL store does not return it: its source ends in `models/m-.../artifacts`."""
    return version.source.split("/")[-2]


def change_content(paths):
    """Another training, with the same predictions."""
    bundle = json.loads((paths.trained_dir / "bundle.json").read_text())
    bundle["training_id"] = "1" * 16
    (paths.trained_dir / "bundle.json").write_text(json.dumps(bundle))


def collect_garbage(paths):
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{paths.root}/mlflow.db"}
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", environment["MLFLOW_TRACKING_URI"]]
    subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def test_champion_whose_run_was_removed_is_compared_by_its_own_answers(evaluated, caplog):
    run(Config(name="shapes"), evaluated)
    client = connect(evaluated)
    champion = client.get_model_version_by_alias("shapes", "champion")
    client.delete_run(champion.run_id)
    collect_garbage(evaluated)
    change_content(evaluated)
    metrics = run(Config(name="shapes"), evaluated)
    assert (metrics["version"], metrics["is_champion"], metrics["champion_difference"]) == (2, 1, 0)
    assert "are not compared" not in caplog.text


def test_champion_registered_by_other_means_is_not_compared(evaluated, caplog):
    client = connect(evaluated)
    client.create_registered_model("shapes")
    client.create_model_version("shapes", source=str(evaluated.trained_dir))
    client.set_registered_model_alias("shapes", "champion", "1")
    metrics = run(Config(name="shapes"), evaluated)
    assert (metrics["version"], metrics["is_champion"]) == (2, 1)
    assert (
        "the champion, shapes version 1, has no stored answers to test rows; the models are not compared" in caplog.text
    )
    assert json.loads(evaluated.registered_path.read_bytes())["champion"]["verdict"] == "not compared"


def test_champion_without_files_is_reported_and_compared(evaluated, caplog):
    run(Config(name="shapes"), evaluated)
    client = connect(evaluated)
    champion = client.get_model_version_by_alias("shapes", "champion")
    client.delete_logged_model(model_id_of(champion))
    collect_garbage(evaluated)
    assert client.get_model_version_by_alias("shapes", "champion").status == "READY", "MLflow does not notice"
    assert any("its files are gone" in text for _, text in make_rows({stage: {} for stage in STAGES}, evaluated))
    assert run(Config(name="shapes"), evaluated)["version"] == 2, "the same content is registered anew"
    assert "the champion, shapes version 1, has lost its files" in caplog.text
    assert client.get_model_version_by_alias("shapes", "champion").version in {2, "2"}
    assert not any("its files are gone" in text for _, text in make_rows({stage: {} for stage in STAGES}, evaluated))


def test_register_of_a_name_with_signs_that_mlflow_refuses_in_logged_models(evaluated):
    run(Config(name='a.b % "c"'), evaluated)
    assert run(Config(name='a.b % "c"'), evaluated)["version"] == 1


def test_register_without_a_server_is_an_error(evaluated, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError) as caught:
        run(Config(name="shapes"), evaluated)
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not evaluated.registered_path.exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert run(Config(name="shapes"), evaluated)["version"] == 1
