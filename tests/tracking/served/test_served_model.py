"""The served model: decoding outputs, and the predictions of a registered model in a process without headrace."""

import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from mlflow.exceptions import MlflowException

import headrace
from headrace.contracts import Spec
from headrace.data.request_rows import InvalidRowError
from headrace.storage.atomic import write_json
from headrace.storage.parquet import read_table
from headrace.tracking.served import scoring_requests
from tests.serving import (
    IMAGE,
    ROW,
    TABLE,
    TEXT,
    bodies,
    call_app,
    model_dir,
    register_project,
    rejection,
    rows_as_json,
)


def served_model(task, outputs, **card):
    """A `Served` whose graph outputs the given rows in turn."""
    from headrace.tracking.served.served_model import Served

    model, rows = Served(), iter(np.asarray(outputs, np.float32))
    model.card = {"modality": "image", "task": task, "classes": [], "targets": [], "temperature": 1.0, **card}
    model.encode, model.requests, model.invalid_row = len, scoring_requests, InvalidRowError
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
    assert [row[label] for row, label in zip(answers["probabilities"], answers["label"], strict=True)] == pytest.approx(
        answers["confidence"]
    )
    assert [sum(row.values()) for row in answers["probabilities"]] == pytest.approx([1.0] * 600)


def test_predict_marks_answers_below_the_threshold_on_demand():
    model = served_model(
        "classification", [[0.0, 3.0], [0.0, 0.1], [5.0, 5.0]] * 2, classes=["cat", "dog"], threshold=0.5
    )
    frame = pd.DataFrame({"image": range(3)})
    assert "abstain" not in model.predict(None, frame, {"abstain": False})
    assert model.predict(None, frame, {"abstain": True})["abstain"].tolist() == [False, False, True], (
        "a row at the threshold is not above it"
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"abstein": True}, "params: 'abstein' is unknown; this model has ['abstain']"),
        ({"abstain": "yes"}, "params: abstain: 'yes'; must be true or false"),
        ({"abstain": True}, "params: abstain: this version has no threshold; register it again"),
    ],
)
def test_predict_refuses_parameters_that_it_cannot_apply(params, message):
    model = served_model("classification", [[0.0, 3.0]], classes=["cat", "dog"])
    with pytest.raises(MlflowException, match=f"^{re.escape(message)}$") as raised:
        model.predict(None, pd.DataFrame({"image": [1]}), params)
    assert raised.value.get_http_status_code() == 400


def test_errors_name_the_row_of_the_request():
    def encode(rows):
        if any(row["image"] == 300 for row in rows):
            raise InvalidRowError(300 % 256, "image", "unreadable")
        return len(rows)

    model = served_model("classification", np.zeros((600, 2)), classes=["cat", "dog"])
    model.encode = encode
    with pytest.raises(MlflowException, match="^row 300, column 'image': unreadable$"):
        model.predict(None, pd.DataFrame({"image": range(400)}))


def test_predict_of_multilabel_data_applies_the_threshold():
    model = served_model("multilabel", [[0.0, 2.0], [-1e4, 1e4]], classes=["war", "love"], threshold=0.6)
    answers = model.predict(None, pd.DataFrame({"text": ["a", "b"]}))
    assert answers["labels"].tolist() == [["love"], ["love"]]
    assert answers["probabilities"][0]["war"] == 0.5
    assert answers["probabilities"][1] == pytest.approx({"war": 0.0, "love": 1.0})


def test_predict_of_several_targets_has_a_column_each():
    model = served_model("regression", [[1.5, 2.5]], targets=["price", "area"])
    answers = model.predict(None, pd.DataFrame({"image": [1]}))
    assert answers.to_dict("list") == {"price": [1.5], "area": [2.5]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "registered",
    [("table", "classification"), ("table", "regression"), *TEXT, *IMAGE],
    indirect=True,
    ids="-".join,
)
def test_served_answers_are_those_that_test_recorded_in_every_form(registered, app):
    recorded = pq.read_table(registered.report_dir("test") / "predictions.parquet").to_pylist()
    raw_rows = {row["row_id"]: row for row in read_table(registered.raw_dir).to_pylist()}
    spec = Spec.read(registered.normalized_dir)
    rows = rows_as_json(registered, [raw_rows[row["row_id"]] for row in recorded])
    for body, content_type in bodies(rows):
        status, content = app(body, content_type)
        assert status == 200, content
        answers = content["predictions"]
        assert len(answers) == len(rows)
        if spec.task == "regression":
            predicted = [answer["prediction"] for answer in answers]
            assert predicted == pytest.approx([row["predicted"] for row in recorded], rel=1e-5)
            continue
        assert [answer["label"] for answer in answers] == [row["predicted"] for row in recorded]
        confidences = [answer["confidence"] for answer in answers]
        assert confidences == pytest.approx([row["confidence"] for row in recorded], abs=1e-6)
        for answer, row in zip(answers, recorded, strict=True):
            assert answer["probabilities"] == pytest.approx(row["probabilities"], abs=1e-6)
        assert len({answer["label"] for answer in answers}) > 1


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_model_answers_programs_as_it_answers_requests(registered, app):
    rows = [ROW, {**ROW, "size": 2, "noise": 1}, {**ROW, "size": -1, "noise": 0}]
    expected = app({"dataframe_records": rows})[1]["predictions"]
    (registered.root / "rows.json").write_text(json.dumps(rows))
    code = f"""
import json, sys, mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{registered.root}/mlflow.db")
rows = json.load(open("{registered.root}/rows.json"))
model = mlflow.pyfunc.load_model("models:/worth@champion")
answers = [model.predict(data).to_dict("records") for data in (rows, pd.DataFrame(rows), pd.DataFrame(rows[1:]))]
print(json.dumps([answers, [name for name in ("torch", "headrace") if name in sys.modules]]))
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, cwd=registered.root, env=environment)
    assert process.returncode == 0, process.stderr[-2000:]
    answers, heavy = json.loads(process.stdout.splitlines()[-1])
    assert answers == [expected, expected, expected[1:]]
    assert heavy == []


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
@pytest.mark.parametrize(
    "name", ["artifacts/model.onnx", "artifacts/card.json", "code/*/serving.py", "served_model.py"]
)
def test_changed_version_is_not_loaded(registered, tmp_path, name):
    import mlflow

    folder = shutil.copytree(model_dir(registered), tmp_path / "model")
    (changed,) = folder.glob(name)
    changed.write_bytes(changed.read_bytes() + b"\n")
    relative = changed.relative_to(folder).as_posix()
    with pytest.raises(MlflowException, match=rf"^{relative}: SHA-256 is \w+, at registration it was \w+: .* register"):
        mlflow.pyfunc.load_model(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_added_or_removed_code_is_not_loaded(registered, tmp_path):
    import mlflow

    folder = shutil.copytree(model_dir(registered), tmp_path / "model")
    (package,) = (folder / "code").glob("headrace_table_*")
    for planted in ("code/onnxruntime.py", "artifacts/more.json"):  # MLflow puts code/ before all other packages
        (folder / planted).write_text("raise SystemExit")
        with pytest.raises(MlflowException, match=f"{planted}: SHA-256 is .*, at registration it was not there"):
            mlflow.pyfunc.load_model(str(folder))
        (folder / planted).unlink()
    (package / "serving").mkdir()
    (package / "serving" / "__init__.so").touch()
    with pytest.raises(MlflowException, match=r"serving/__init__.so: SHA-256 is \w+, at registration it was not there"):
        mlflow.pyfunc.load_model(str(folder))
    shutil.rmtree(package / "serving")
    (package / "encode.py").unlink()
    with pytest.raises(MlflowException, match=r"encode.py: SHA-256 is missing"):
        mlflow.pyfunc.load_model(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_planted_bytecode_is_not_run(registered, tmp_path):
    folder = shutil.copytree(model_dir(registered), tmp_path / "model")
    (package,) = (folder / "code").glob("headrace_table_*")
    source = package / "encode.py"
    planted = py_compile.compile(write_file(tmp_path / "planted.py", "raise SystemExit('planted')"), cfile=None)
    target = Path(cache_from_source(str(source)))
    target.parent.mkdir(exist_ok=True)
    header = b"\0" * 4 + int(source.stat().st_mtime).to_bytes(4, "little") + source.stat().st_size.to_bytes(4, "little")
    target.write_bytes(MAGIC_NUMBER + header + Path(planted).read_bytes()[16:])
    plain = subprocess.run([sys.executable, str(source)], capture_output=True, text=True, cwd=package)
    imported = f"import sys; sys.path.insert(0, {str(package.parent)!r}); import {package.name}.encode"
    code = f"import mlflow; mlflow.pyfunc.load_model({str(folder)!r}); print('loaded')"
    results = [
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=tmp_path)
        for text in (imported, code)
    ]
    assert plain.returncode == 0, plain.stderr
    assert results[0].stderr.strip() == "planted", "this is what Python does by itself"
    assert results[1].stdout.strip() == "loaded", results[1].stderr[-2000:]


def write_file(path, text):
    path.write_text(text)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("project", TABLE, indirect=True, ids="-".join)
def test_two_registered_versions_of_other_code_share_a_process(project, tmp_path):
    import mlflow

    register_project(project)
    first = model_dir(project)
    changed = shutil.copytree(Path(headrace.__file__).parent, tmp_path / "changed" / "headrace")
    parsing = changed / "data" / "table" / "encoding" / "serving.py"
    parsing.write_text(parsing.read_text().replace("is not a number", "is no quantity"))
    write_json(project.metrics_path("test"), json.loads(project.metrics_path("test").read_bytes()) | {"loss": 9.0})
    code = "from pathlib import Path; from headrace.paths import Paths; from headrace.stages import register; "
    code += "print(register.run(register.Config(name='worth'), Paths(Path.cwd())))"
    environment = {**os.environ, "PYTHONPATH": str(changed.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    models = [mlflow.pyfunc.load_model(str(folder)) for folder in (first, model_dir(project))]
    assert first != model_dir(project)
    for model, words in zip([*models, *models], ("is not a number", "is no quantity") * 2, strict=True):
        with pytest.raises(MlflowException, match=words):
            model.predict([ROW | {"size": "x"}])
        server = mlflow.pyfunc.scoring_server.init(model)
        assert words in rejection(call_app(server, {"dataframe_records": [ROW | {"size": "x"}]}))
    assert models[0].predict([ROW]).equals(models[1].predict([ROW]))
