"""A table with a title, a body, a number and a category, whose class needs a text and the number; served as tested."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from headrace import load_model
from headrace.commands.run_stage import run_stage
from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.parquet import read_table
from tests.projects import BLAME, NEUTRAL, PRAISE

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
NUM_ROWS = 700
PARAMS = {
    "ingest": {"source": "offers.csv", "target": "sold"},
    "normalize": {"text": {"vocabulary": 400}},
    "train": {
        "model": {"name": "mlp", "dense": [32]}, "max_epochs": 25, "batch_size": 32, "learning_rate": 0.01,
        "num_workers": 0, "token_dropout": 0.05, "early_stopping": {"patience": 0},
    },
    "quantize": {"max_latency": 1000.0, "max_size": 10.0, "max_loss": 0.1},
    "test": {"robustness_rows": 50},
    "explain": {"num_rows": 8, "num_examples": 2},
    "register": {"name": "offers"},
}  # fmt: skip


def write_offers(path):
    """Offers are sold if praised and cheap, or blamed and dear: texts or prices alone say nothing."""
    rng = np.random.default_rng(0)
    rows = [["title", "body", "price", "place", "sold"]]
    for number in range(NUM_ROWS):
        is_praised, price = rng.random() < 0.5, rng.normal()
        words = [*rng.choice(PRAISE if is_praised else BLAME, 2), *rng.choice(NEUTRAL, rng.integers(6, 14))]
        title = "" if number % 10 == 0 else f"<b>Offer</b> {number} {rng.choice(NEUTRAL)}"
        body = " ".join(rng.permutation(words))
        sold = "yes" if is_praised == (price < 0) else "no"
        rows.append([title, body, f"{price:.4f}", str(rng.choice(["north", "south"])), sold])
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_offers_of_texts_and_columns(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("headrace.quantization.benchmark.SECONDS_PER_BATCH_SIZE", 0.0)
    monkeypatch.chdir(tmp_path)
    write_offers(tmp_path / "offers.csv")
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(PARAMS, file)
    paths = Paths(tmp_path)
    for stage in STAGES:
        run_stage(stage, paths)
    spec = Spec.read(paths.normalized_dir)
    assert {column.name: column.kind for column in spec.columns} == {
        "title": "text", "body": "text", "price": "numeric", "place": "categorical",
    }  # fmt: skip
    metrics = {stage: json.loads(paths.metrics_path(stage).read_bytes()) for stage in STAGES}
    assert metrics["clean"]["repaired_markup"] == NUM_ROWS * 0.9
    assert metrics["test"]["accuracy"] > 0.85
    assert metrics["quantize"]["passed"] == 1
    assert metrics["explain"]["deletion"] > 0
    baselines = json.loads((paths.report_dir("test") / "baselines.json").read_bytes())["baselines"]
    assert {entry["name"]: entry["value"] < 0.7 for entry in baselines} == {
        "majority class": True, "logistic regression": True, "gradient boosting without the texts": True,
    }  # fmt: skip
    changes = {line.split(",")[0] for line in (paths.report_dir("test") / "robustness.csv").read_text().splitlines()}
    assert {"typos", "dropped_words", "noise", "missing_cells"} < changes
    check_served_answers(paths)
    check_explanations(paths)


def check_served_answers(paths):
    """The registered model answers raw rows as `test` recorded them, also with missing texts."""
    recorded = pq.read_table(paths.report_dir("test") / "predictions.parquet").to_pylist()
    raw = {row["row_id"]: row for row in read_table(paths.raw_dir).to_pylist()}
    names = ("title", "body", "price", "place")
    model = load_model()
    answers = model.predict([{name: raw[row["row_id"]][name] for name in names} for row in recorded])
    assert [answer["label"] for answer in answers] == [row["predicted"] for row in recorded]
    confidences = [answer["confidence"] for answer in answers]
    assert confidences == pytest.approx([row["confidence"] for row in recorded], abs=1e-6)


def check_explanations(paths):
    """Body and price have the largest attributions, and the page shows words."""
    summary = json.loads((paths.report_dir("explain") / "summary.json").read_bytes())
    importance = [entry["column"] for entry in summary["permutation_importance"]]
    assert set(importance[:2]) == {"body", "price"}
    page = (paths.report_dir("explain") / "index.html").read_text()
    assert "the words of body" in page
