"""The served model: decoding outputs, and the predictions of a registered model in a process without headrace."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.stages import register
from headrace.stages import test as test_stage
from headrace.storage.atomic import write_json
from headrace.storage.parquet import read_table
from tests.projects import calibrate

DAY = "2022-01-11"


def served_model(task, outputs, **card):
    """A `Served` whose graph outputs the given rows in turn."""
    from headrace.tracking.served_model import Served

    model, rows = Served(), iter(np.asarray(outputs, np.float32))
    model.card = {"task": task, "classes": [], "targets": [], "temperature": 1.0, **card}
    model.encode = len
    model.session = SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name="input")],
        run=lambda _, feed: [np.stack([next(rows) for _ in range(feed["input"])])],
    )
    return model


def test_predict_applies_temperature_and_runs_in_parts():
    logits = np.random.default_rng(0).normal(size=(600, 2))
    model = served_model("classification", logits, classes=["cat", "dog"], temperature=2.0)
    answers = model.predict(None, pd.DataFrame({"image": range(600)}))
    assert answers["label"].tolist() == ["dog" if second > first else "cat" for first, second in logits]
    odds = np.exp(np.abs(logits[:, 0] - logits[:, 1]) / 2)
    assert answers["confidence"].to_numpy() == pytest.approx(odds / (1 + odds), rel=1e-4)


def test_predict_of_multilabel_data_applies_the_threshold():
    model = served_model("multilabel", [[0.0, 2.0], [-1e4, 1e4]], classes=["war", "love"], threshold=0.6)
    answers = model.predict(None, pd.DataFrame({"text": ["a", "b"]}))
    assert answers["labels"].tolist() == [["love"], ["love"]]
    assert answers["probabilities"][0]["war"] == 0.5
    assert answers["probabilities"][1] == pytest.approx({"war": 0.0, "love": 1.0})


def test_predict_of_several_targets_has_a_column_each():
    answers = served_model("regression", [[1.5, 2.5]], targets=["price", "area"]).predict(None, pd.DataFrame([{}]))
    assert answers.to_dict("list") == {"price": [1.5], "area": [2.5]}


@pytest.fixture
def registered(project: Paths) -> Paths:
    """The project after `register`."""
    project.params_path.write_text("{}\n")
    write_json(project.metrics_path("train"), {"val_loss": 1.0})
    calibrate(project)
    write_json(project.metrics_path("test"), test_stage.run(test_stage.Config(), project))
    metrics = register.run(register.Config(name="worth"), project)
    assert metrics["version"] == metrics["is_champion"] == 1
    return project


def predict(paths, rows):
    """Predictions of the registered champion in a process that does not import headrace."""
    (paths.root / "rows.json").write_text(json.dumps(rows))
    code = f"""
import json, sys, mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{paths.root}/mlflow.db")
rows = pd.DataFrame(json.load(open("{paths.root}/rows.json")))
answers = mlflow.pyfunc.load_model("models:/worth@champion").predict(rows)
print(json.dumps([answers.to_dict("list"), [name for name in ("torch", "headrace") if name in sys.modules]]))
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.root)
    assert process.returncode == 0, process.stderr[-2000:]
    answers, heavy = json.loads(process.stdout.splitlines()[-1])
    assert heavy == []
    return answers


@pytest.mark.slow
@pytest.mark.parametrize(
    "project",
    [("table", "classification"), ("table", "regression"), ("text", "classification")],
    indirect=True,
    ids="-".join,
)
def test_registered_model_predicts_raw_rows_as_the_pipeline_does(registered):
    recorded = pq.read_table(registered.report_dir("test") / "predictions.parquet").to_pylist()
    raw_rows = {row["row_id"]: row for row in read_table(registered.raw_dir).to_pylist()}
    spec = Spec.read(registered.normalized_dir)
    names = [column.name for column in spec.columns] or ["text"]
    answers = predict(registered, [{name: raw_rows[row["row_id"]][name] for name in names} for row in recorded])
    if spec.task == "regression":
        assert answers["prediction"] == pytest.approx([row["predicted"] for row in recorded], rel=1e-5)
        return
    assert answers["label"] == [row["predicted"] for row in recorded]
    assert answers["confidence"] == pytest.approx([row["confidence"] for row in recorded], rel=1e-5)
    assert len(set(answers["label"])) == 2


@pytest.mark.slow
@pytest.mark.parametrize("project", [("text", "classification")], indirect=True, ids="-".join)
def test_registered_model_repairs_texts_as_the_pipeline_does(registered):
    answers = predict(registered, {"text": ["<b>great</b> film &amp; plot\x07", "great film & plot", "awful plot"]})
    first, second, third = answers["confidence"]
    assert first == second != third


@pytest.mark.slow
@pytest.mark.parametrize("project", [("table", "regression")], indirect=True, ids="-".join)
def test_registered_model_accepts_numbers_missing_and_unknown_cells(registered):
    rows = [
        {"size": "1.5", "noise": "0.5", "colour": "red", "seen": DAY},
        {"size": 1.5, "noise": 0.5, "colour": " red", "seen": DAY, "unknown": 1},
        {"size": None, "noise": 0.5, "colour": "red", "seen": DAY},
        {"size": "much", "noise": 0.5, "colour": "red", "seen": DAY},
        {"size": 1.5, "noise": 0.5, "colour": "mauve", "seen": None},
    ]
    first, second, missing, unreadable, unseen = predict(registered, rows)["prediction"]
    assert first == second != missing == unreadable
    assert np.isfinite(unseen)
    (without,) = predict(registered, [{"noise": 0.5, "colour": "red", "seen": DAY}])["prediction"]
    assert without == pytest.approx(missing)
