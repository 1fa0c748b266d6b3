"""The served model: decoding outputs, and the predictions of a registered model in a process without headrace."""

import json
import os
import py_compile
import shutil
import subprocess
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from mlflow.exceptions import MlflowException

import headrace
from headrace.contracts import Spec
from headrace.data.request_rows import Encoded, InvalidRequestError, Problem
from headrace.storage.atomic import write_json
from headrace.storage.parquet import read_table
from headrace.tracking.served import scoring_requests
from headrace.tracking.served.predictor import Predictor
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


def served_model(outputs, encode=None, **card):
    """A `Served` whose graph outputs the given rows in turn."""
    from headrace.tracking.served.served_model import Served

    model, rows = Served(), iter(np.asarray(outputs, np.float32))
    predictor = object.__new__(Predictor)
    predictor.card = {"modality": "image", "classes": [], "targets": [], "temperature": 1.0, **card}
    predictor.encode = encode or (lambda rows: Encoded(np.zeros((len(rows), 1)), []))
    predictor.run = lambda inputs: np.stack([next(rows) for _ in inputs])
    model.predictor, model.requests, model.invalid_request = predictor, scoring_requests, InvalidRequestError
    model.version = "pictures/3"
    return model


def test_predict_gives_one_row_for_each_with_the_version():
    model = served_model([[0.0, 3.0], [2.0, 0.0]], task="classification", classes=["cat", "dog"])
    answers = model.predict(None, pd.DataFrame({"image": range(2)}))
    assert answers["label"].tolist() == ["dog", "cat"]
    assert answers["version"].tolist() == ["pictures/3"] * 2
    assert model.predict(None, pd.DataFrame({"image": []})).empty


def test_predict_refuses_an_invalid_row_with_status_400():
    def encode(rows):
        return Encoded(np.zeros((len(rows), 1)), [Problem(1, "image", "unreadable", "send another")])

    model = served_model(np.zeros((9, 2)), encode, task="classification", classes=["cat", "dog"])
    with pytest.raises(MlflowException, match="^row 1, column 'image': unreadable; send another$") as raised:
        model.predict(None, pd.DataFrame({"image": range(3)}))
    assert raised.value.get_http_status_code() == 400
    with pytest.raises(MlflowException, match="^params: 'abstein' is unknown; this model has "):
        model.predict(None, pd.DataFrame({"image": [1]}), {"abstein": True})


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
        assert {answer["version"] for answer in answers} == {"worth/1"}


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
    source = package / "number_format.py"
    planted = py_compile.compile(write_file(tmp_path / "planted.py", "raise SystemExit('planted')"), cfile=None)
    target = Path(cache_from_source(str(source)))
    target.parent.mkdir(exist_ok=True)
    header = b"\0" * 4 + int(source.stat().st_mtime).to_bytes(4, "little") + source.stat().st_size.to_bytes(4, "little")
    target.write_bytes(MAGIC_NUMBER + header + Path(planted).read_bytes()[16:])
    plain = subprocess.run([sys.executable, str(source)], capture_output=True, text=True, cwd=package)
    imported = f"import sys; sys.path.insert(0, {str(package.parent)!r}); import {package.name}.number_format"
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
    answers = [model.predict([ROW]) for model in models]
    assert [answer.pop("version").tolist() for answer in answers] == [["worth/1"], ["worth/2"]]
    assert answers[0].equals(answers[1])
