"""Register: versions with lineage in a real registry; champion only if not worse."""

import io
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from headrace.errors import TrackingError
from headrace.stages import quantize, test, validate
from headrace.stages.register import Config, run
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import write_json
from headrace.storage.bundle import read_bundle
from headrace.tracking.client import connect, find_or_create_experiment

pytestmark = pytest.mark.slow  # real registrations


@pytest.fixture
def evaluated(trained, monkeypatch):
    """A project in the state before `register`."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trained.params_path.write_text("{}\n")
    write_json(trained.metrics_path("train"), {"val_accuracy": 1.0})
    for stage in (validate, test):
        write_json(trained.metrics_path(stage.__name__.rpartition(".")[2]), stage.run(stage.Config(), trained))
    limits = quantize.Config(max_latency=100.0, max_loss=0.5, max_size=0.9, num_calibration_rows=64)
    write_json(trained.metrics_path("quantize"), quantize.run(limits, trained))
    trained.report_dir("explain").mkdir(parents=True)
    return trained


def test_register_creates_a_version_that_predicts(evaluated):
    metrics = run(Config(name="shapes"), evaluated)
    version = json.loads(evaluated.registered_path.read_bytes())
    assert metrics["version"] == version["version"] == 1
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


def test_register_without_int8_uses_float32(evaluated):
    (evaluated.quantized_dir / "model.onnx").unlink()
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
    client = connect(evaluated)
    assert int(client.get_model_version_by_alias("shapes", "champion").version) == 1
    assert int(client.get_model_version_by_alias("shapes", "challenger").version) == 2


def test_register_without_a_server_is_an_error(evaluated, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError) as caught:
        run(Config(name="shapes"), evaluated)
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not evaluated.registered_path.exists()
