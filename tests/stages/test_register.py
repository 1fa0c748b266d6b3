"""Register: versions with lineage, in a real registry; champion only if not worse."""

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
from headrace.stages.register import Config, compare_files, run
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import write_json
from headrace.tracking.client import connect, find_or_create_experiment

pytestmark = pytest.mark.slow  # real registrations


@pytest.fixture
def judged(trained, monkeypatch):
    """A project as it stands before `register`."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trained.params_path.write_text("{}\n")
    write_json(trained.metrics_path("train"), {"val_accuracy": 1.0})
    for stage in (validate, test):
        write_json(trained.metrics_path(stage.__name__.rpartition(".")[2]), stage.run(stage.Config(), trained))
    limits = quantize.Config(max_latency=100.0, max_loss=0.5, max_size=0.9, num_calibration_rows=64)
    write_json(trained.metrics_path("quantize"), quantize.run(limits, trained))
    trained.report_dir("explain").mkdir(parents=True)
    return trained


def test_register_makes_a_version_that_predicts(judged):
    metrics = run(Config(name="shapes"), judged)
    told = json.loads(judged.registered_path.read_bytes())
    assert metrics["version"] == told["version"] == 1
    assert told["aliases"] == ["challenger", "champion"]
    assert told["precision"] == "int8"
    val = open_arrays(judged.normalized_dir / "val")
    pictures = []
    for pixels in val.inputs[:40]:
        buffer = io.BytesIO()
        Image.fromarray(np.array(pixels)[..., 0]).save(buffer, "PNG")
        pictures.append(buffer.getvalue())
    (judged.root / "pictures.json").write_text(json.dumps([picture.hex() for picture in pictures]))
    code = f"""
import json, sys, mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{judged.root}/mlflow.db")
pictures = [bytes.fromhex(text) for text in json.load(open("{judged.root}/pictures.json"))]
found = mlflow.pyfunc.load_model("models:/shapes@champion").predict(pd.DataFrame({{"image": pictures}}))
heavy = [name for name in ("torch", "headrace") if name in sys.modules]
print(json.dumps([list(found["label"]), list(found["confidence"]), heavy]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=judged.root)
    labels, confidences, heavy = json.loads(done.stdout.splitlines()[-1])
    names = ["cross", "disc", "square"]
    assert np.mean([label == names[target] for label, target in zip(labels, val.targets, strict=False)]) > 0.9
    assert all(1 / 3 <= confidence <= 1 for confidence in confidences)
    assert heavy == []


def test_register_completes_the_run_and_names_its_origin(judged):
    run(Config(name="shapes"), judged)
    client = connect(judged)
    (found,) = client.search_runs([find_or_create_experiment(client, judged)])
    assert found.info.status == "FINISHED"
    tested = json.loads(judged.metrics_path("test").read_bytes())
    assert found.data.metrics["test/accuracy"] == tested["accuracy"]
    version = client.get_model_version_by_alias("shapes", "champion")
    assert version.run_id == found.info.run_id
    assert version.tags["training_id"] == "0" * 16
    assert version.tags["test.accuracy"] == f"{tested['accuracy']:.4f}"


def test_register_without_int8_takes_float32(judged):
    (judged.quantized_dir / "model.onnx").unlink()
    run(Config(name="shapes"), judged)
    assert json.loads(judged.registered_path.read_bytes())["precision"] == "float32"


def test_register_keeps_the_champion_when_the_new_one_is_worse(judged):
    run(Config(name="shapes"), judged)
    bundle = json.loads((judged.trained_dir / "bundle.json").read_text())
    bundle["training_id"] = "1" * 16  # another training, which was right half as often
    (judged.trained_dir / "bundle.json").write_text(json.dumps(bundle))
    path = judged.report_dir("test") / "predictions.parquet"
    table = pq.read_table(path)
    correct = pa.array([index % 2 == 0 for index in range(table.num_rows)])
    pq.write_table(table.set_column(table.schema.get_field_index("correct"), "correct", correct), path)
    metrics = run(Config(name="shapes"), judged)
    assert metrics["version"] == 2
    assert metrics["is_champion"] == 0
    assert metrics["champion_difference"] > 0.3
    client = connect(judged)
    assert int(client.get_model_version_by_alias("shapes", "champion").version) == 1
    assert int(client.get_model_version_by_alias("shapes", "challenger").version) == 2


def test_register_says_when_the_server_is_away(judged, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError) as caught:
        run(Config(name="shapes"), judged)
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not judged.registered_path.exists()


def test_compare_files_pairs_by_row(tmp_path):
    def write(name, rows):
        pq.write_table(pa.table({"row_id": list(rows), "correct": list(rows.values())}), tmp_path / name)
        return tmp_path / name

    champion = write("a", {"x": True, "y": True, "z": False, "w": True})
    challenger = write("b", {"y": True, "x": False, "w": True, "v": True})
    found = compare_files(champion, challenger)
    assert found.num_rows == 3
    assert found.difference == pytest.approx(1 / 3)
    apart = compare_files(champion, write("c", {"q": True, "r": False}))
    assert apart.num_rows == 0
    assert apart.difference == pytest.approx(0.25)


def test_compare_files_of_another_task_says_that_it_cannot(tmp_path, caplog):
    pq.write_table(pa.table({"row_id": ["x"], "correct": [True]}), tmp_path / "champion")
    pq.write_table(pa.table({"row_id": ["x", "y"], "error": [0.5, -2.0]}), tmp_path / "challenger")
    assert compare_files(tmp_path / "champion", tmp_path / "challenger") is None
    assert "asked for something else (no column error)" in caplog.text
    assert compare_files(tmp_path / "challenger", tmp_path / "challenger").upper_bound == 0
