"""Served texts and tables: from source to registry by the pipeline's own code, and the same answers out of it."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from headrace.contracts import Column, Spec
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.table.cleaning.checker import TableChecker
from headrace.data.table.encoding.transform import TableTransform
from headrace.data.text.checker import TextChecker
from headrace.data.text.transform import TextTransform
from headrace.paths import Paths
from headrace.stages import register, validate
from headrace.stages import test as judge
from headrace.storage import arrays, atomic
from headrace.storage.bundle import read_bundle

pytestmark = pytest.mark.slow  # real registrations, read in processes of their own
TABLE_OPTIONS = {"scaling": "standard", "max_categories": 64, "min_category_rows": 2, "num_quantiles": 32}
TEXT_OPTIONS = {"vocabulary": 300, "max_tokens": 12, "lowercase": True, "tokenizer": None}


class Batches:
    """One batch of rows, on the engine of this process."""

    def __init__(self, batch):
        self.batch = batch

    def map(self, work):
        yield pickle.loads(pickle.dumps(work))(self.batch)


def raw_table(num_rows, seed):
    """Cells as a CSV has them, and their values."""
    rng = np.random.default_rng(seed)
    size, colour = rng.normal(20, 5, num_rows).round(3), rng.choice(["red", " green ", "blue"], num_rows)
    days = rng.integers(0, 700, num_rows)
    columns = {
        "size": [f"{value}" for value in size],
        "weight": [None if value < 0.1 else f"{value:.4f}" for value in rng.random(num_rows)],
        "colour": list(colour),
        "seen": [str(np.datetime64("2021-05-03") + int(day)) for day in days],
    }
    return columns, 2 * size + 10 * (colour == "red")


def raw_text(num_rows, seed):
    rng = np.random.default_rng(seed)
    praise = rng.random(num_rows) < 0.5
    texts = []
    for is_praise in praise:
        telling = rng.choice(["great", "<b>fine</b>", "Good\x07"] if is_praise else ["awful", "bad &amp; poor", "DULL"])
        texts.append(" ".join(rng.permutation([telling, *rng.choice(["the", "film", "was", "plot"], 6)])))
    return {"text": texts}, np.where(praise, 60.0, 40.0)


KINDS = {
    "table": (raw_table, TableChecker, TableTransform, TABLE_OPTIONS, {"name": "mlp", "dense": [16]}),
    "text": (raw_text, TextChecker, TextTransform, TEXT_OPTIONS, {"name": "text_mean", "width": 8, "dense": []}),
}


def clean_batch(modality, columns, labels, spec):
    """Raw cells as the stage `clean` leaves them."""
    options = {name: rule.options for name, rule in resolve_rules({}, modality).items()}
    num_rows, examiner = len(labels), KINDS[modality][1]()
    raw = pa.record_batch({
        "row_id": [f"{row:032x}" for row in range(num_rows)], "label": labels, "split": pa.nulls(num_rows, pa.string()),
        **({"path": pa.nulls(num_rows, pa.string())} if modality == "text" else {}),
        **{name: pa.array(cells, pa.string()) for name, cells in columns.items()},
    })  # fmt: skip
    survey = json.loads(json.dumps(examiner.survey(Batches(raw), spec, options)))
    return examiner.repair(raw, spec, survey, options).batch


def judged_project(root, modality, task, train_bundle):
    """A project as it stands before `register`, made of raw rows; its raw test rows beside."""
    draw, _, transform_class, options, model = KINDS[modality]
    paths, transformer, raw = Paths(root), transform_class(), {}
    kinds = {"size": "numeric", "weight": "numeric", "colour": "categorical", "seen": "date"}
    spec = Spec(
        modality=modality, task=task, source="drawn", format="table", num_rows=500, target="worth",
        columns=[Column(name=name, kind=kind) for name, kind in kinds.items()] if modality == "table" else [],
        classes=["low", "high"] if task == "classification" else [],
    )  # fmt: skip
    transform = None
    for seed, (split, num_rows) in enumerate({"train": 300, "val": 100, "test": 100}.items()):
        raw[split], values = draw(num_rows, seed)
        batch = clean_batch(modality, raw[split], [str(value) for value in values], spec)
        if transform is None:
            fitted = transformer.fit(Batches(batch), spec, options)
            transform = fitted | {"target": {"mean": float(values.mean()), "std": float(values.std())}}
            spec = spec.model_copy(update={"input_shape": transform["input_shape"]})
        made = arrays.create_arrays(
            paths.normalized_dir / split, num_rows=num_rows, input_shape=spec.input_shape, modality=modality, task=task
        )
        made.put(
            np.arange(num_rows), transformer.apply(batch, transform), values if task == "regression" else values > 46
        )
        made.row_ids[:] = [f"{split}{row:026d}".encode() for row in range(num_rows)]
        made.close()
    train_bundle(paths, model, spec, transform)
    paths.params_path.write_text("{}\n")
    atomic.write_json(paths.metrics_path("train"), {"val_loss": 1.0})
    atomic.write_json(paths.metrics_path("validate"), validate.run(validate.Config(), paths))
    atomic.write_json(paths.metrics_path("test"), judge.run(judge.Config(), paths))
    paths.report_dir("explain").mkdir(parents=True)
    return paths, raw["test"]


def served(paths, rows):
    """Answers of the registered champion in a process that knows nothing of this package; and what that imported."""
    (paths.root / "rows.json").write_text(json.dumps(rows))
    code = f"""
import json, sys, mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{paths.root}/mlflow.db")
rows = pd.DataFrame(json.load(open("{paths.root}/rows.json")))
found = mlflow.pyfunc.load_model("models:/worth@champion").predict(rows)
heavy = [name for name in ("torch", "headrace") if name in sys.modules]
print(json.dumps([found.to_dict("list"), heavy]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.root)
    assert done.returncode == 0, done.stderr[-2000:]
    found, heavy = json.loads(done.stdout.splitlines()[-1])
    assert heavy == []
    return found


@pytest.mark.parametrize(
    ("modality", "task"), [("table", "classification"), ("table", "regression"), ("text", "classification")]
)
def test_served_answers_are_those_of_the_pipeline(tmp_path, monkeypatch, train_bundle, modality, task):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths, raw = judged_project(tmp_path / "project", modality, task, train_bundle)
    metrics = register.run(register.Config(name="worth"), paths)
    assert metrics["version"] == metrics["is_champion"] == 1
    bundle = read_bundle(paths.trained_dir)
    outputs = bundle.graph().predict(arrays.open_arrays(paths.normalized_dir / "test").inputs)
    found = served(paths, pd.DataFrame(raw).astype(object).where(pd.DataFrame(raw).notna(), None).to_dict("list"))
    if task == "regression":
        assert found["prediction"] == pytest.approx(outputs[:, 0], rel=1e-5)
        return
    temperature = json.loads(paths.metrics_path("validate").read_bytes())["temperature"]
    odds = np.exp(outputs / temperature)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    assert found["label"] == [bundle.spec.classes[index] for index in outputs.argmax(axis=1)]
    assert found["confidence"] == pytest.approx(probabilities.max(axis=1), rel=1e-5)
    assert len(set(found["label"])) == 2


def test_served_table_takes_numbers_and_what_is_missing(tmp_path, monkeypatch, train_bundle):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths, _ = judged_project(tmp_path / "project", "table", "regression", train_bundle)
    register.run(register.Config(name="worth"), paths)
    rows = [
        {"size": "20.5", "weight": "0.5", "colour": "red", "seen": "2022-01-11"},
        {"size": 20.5, "weight": 0.5, "colour": " red", "seen": "2022-01-11", "unheard": 1},
        {"size": None, "weight": 0.5, "colour": "red", "seen": "2022-01-11"},
        {"size": "much", "weight": 0.5, "colour": "red", "seen": "2022-01-11"},
        {"size": 20.5, "weight": 0.5, "colour": "mauve", "seen": None},
    ]
    first, second, missing, broken, unseen = served(paths, rows)["prediction"]
    assert first == second != missing == broken
    assert np.isfinite(unseen)
    (without,) = served(paths, [{"weight": 0.5, "colour": "red", "seen": "2022-01-11"}])["prediction"]
    assert without == pytest.approx(missing)

    # a second version is compared by its errors on the same test rows
    card = json.loads((paths.trained_dir / "bundle.json").read_text()) | {"training_id": "1" * 16}
    (paths.trained_dir / "bundle.json").write_text(json.dumps(card))
    metrics = register.run(register.Config(name="worth"), paths)
    assert (metrics["version"], metrics["is_champion"], metrics["champion_difference"]) == (2, 1, 0)
