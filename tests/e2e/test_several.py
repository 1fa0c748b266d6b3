"""Rows of several labels and of several values, from a file to a registered model that is asked."""

import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from headrace.commands.run_stage import run_stage
from headrace.contracts import Spec
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.arrays import open_arrays
from headrace.storage.parquet import read_table

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
TRAIN = {"max_epochs": 8, "batch_size": 32, "schedule": "constant", "num_workers": 0, "early_stopping": {"patience": 0}}
WORDS = {"comedy": ["joke", "funny"], "love": ["kiss", "heart"], "war": ["army", "battle"]}
FILL = ["the", "a", "of", "and", "story", "about", "film", "with", "people", "who", "go", "home", "again"]


@pytest.fixture
def run_all(tmp_path, monkeypatch):
    """Writes params.yaml and runs every stage -> the project."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("headrace.quantization.benchmark.SECONDS_PER_BATCH_SIZE", 0.0)

    def run(**sections):
        lenient = {"quantize": {"max_latency": 1000.0, "max_size": 10.0, "max_loss": 0.1}, "explain": {"num_rows": 16}}
        with (tmp_path / "params.yaml").open("w") as file:
            YAML().dump({**lenient, "register": {"name": "several"}, **sections}, file)
        for stage in STAGES:
            run_stage(stage, Paths(tmp_path))
        return Paths(tmp_path)

    return run


def served(paths, rows):
    """Predictions of the registered champion in a process that does not import headrace."""
    code = f"""
import json, mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{paths.root}/mlflow.db")
answers = mlflow.pyfunc.load_model("models:/several@champion").predict(pd.DataFrame({rows!r}))
print(json.dumps(answers.to_dict("records")))
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.root)
    assert process.returncode == 0, process.stderr[-2000:]
    return json.loads(process.stdout.splitlines()[-1])


def metrics_of(paths, stage):
    return json.loads(paths.metrics_path(stage).read_bytes())


def write_films(path, num_rows=400):
    """JSON lines of texts and their genres; the last two rows have none that can be read."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(num_rows):
        genres = [name for name in WORDS if rng.random() < 0.4]
        words = [*rng.choice(FILL, 10), *(word for name in genres for word in rng.choice(WORDS[name], 2))]
        lines.append({"plot": f"{' '.join(rng.permutation(words))} {number}", "genres": genres})
    lines += [{"plot": "nobody knows the genre of this one", "genres": None}] * 2
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_films_of_several_genres(tmp_path, run_all):
    write_films(tmp_path / "films.jsonl")
    model = {"name": "text_mean", "width": 16, "dense": []}
    paths = run_all(
        ingest={"source": "films.jsonl", "target": "genres"},
        train={**TRAIN, "model": model, "learning_rate": 0.02, "class_weights": "balanced"},
        validate={"gate": {"micro_f1": {"min": 0.8}}},
    )
    spec = Spec.read(paths.normalized_dir)
    assert (spec.task, spec.modality, spec.classes) == ("multilabel", "text", ["comedy", "love", "war"])
    assert set(read_table(paths.quarantine_dir)["check"].to_pylist()) == {"missing_label"}
    train = open_arrays(paths.normalized_dir / "train")
    assert train.targets.shape == (len(train), 3)
    assert set(np.unique(train.targets).tolist()) == {0.0, 1.0}
    tested = metrics_of(paths, "test")
    assert tested["micro_f1"] > 0.8
    assert 0 < tested["exact_match"] <= tested["accuracy"] <= 1
    recorded = pq.read_table(paths.report_dir("test") / "predictions.parquet").to_pydict()
    pairs = [[set(json.loads(names)) for names in recorded[column]] for column in ("target", "predicted")]
    wrong = [len(target ^ predicted) / 3 for target, predicted in zip(*pairs, strict=True)]
    assert recorded["wrong_share"] == pytest.approx(wrong)
    assert tested["accuracy"] == pytest.approx(1 - np.mean(wrong))
    assert metrics_of(paths, "quantize")["passed"] == 1
    assert metrics_of(paths, "explain")["deletion"] > 0
    (answer,) = served(paths, {"text": ["a joke of the army and a funny battle"]})
    assert answer["labels"] == ["comedy", "war"]
    assert set(answer["probabilities"]) == set(spec.classes)


def write_houses(path, num_rows=400):
    rng = np.random.default_rng(0)
    size, age = rng.normal(size=(2, num_rows))
    kind = rng.integers(0, 2, num_rows)
    price = 1e5 * (3 + size + kind) + rng.normal(0, 3e3, num_rows)
    energy = 50 + 5 * age - 2 * size + rng.normal(0, 0.3, num_rows)
    rows = zip(size, age, np.array(["flat", "house"])[kind], price, energy, strict=True)
    lines = [f"{size:.4f},{age:.4f},{kind},{price:.1f},{energy:.3f}\n" for size, age, kind, price, energy in rows]
    path.write_text("size,age,kind,price ($),energy\n" + "".join(lines) + "0,0,flat,,50\n0,0.1,flat,lots,51\n")


def test_houses_of_a_price_and_an_energy(tmp_path, run_all):
    write_houses(tmp_path / "houses.csv")
    targets = ["price ($)", "energy"]
    paths = run_all(
        ingest={"source": "houses.csv", "target": targets},
        train={**TRAIN, "model": {"name": "mlp", "dense": [32]}, "learning_rate": 0.01, "loss": "huber"},
        validate={"gate": {"r2": {"min": 0.9}, "mae_price": {"max": 3e4}}},
    )
    spec = Spec.read(paths.normalized_dir)
    assert (spec.task, spec.target, spec.targets) == ("regression", "", targets)
    rejected = read_table(paths.quarantine_dir)
    assert sorted(zip(rejected["check"].to_pylist(), rejected["reason"].to_pylist(), strict=True)) == [
        ("missing_label", "no value of 'price ($)'"),
        ("unknown_label", "'price ($)': 'lots' is not a finite 32-bit number"),
    ]
    assert open_arrays(paths.normalized_dir / "test").targets.shape[1] == 2
    tested = metrics_of(paths, "test")
    assert min(tested["r2_price"], tested["r2_energy"]) > 0.9
    assert tested["r2"] == pytest.approx((tested["r2_price"] + tested["r2_energy"]) / 2)
    assert tested["mae_price"] > 100 > tested["mae_energy"] > 0
    assert 0.7 < tested["coverage_90"] <= 1
    assert metrics_of(paths, "quantize")["passed"] == 1
    assert metrics_of(paths, "explain")["deletion"] > 0
    (answer,) = served(paths, {"size": [1.0], "age": [0.0], "kind": ["flat"]})
    assert list(answer) == [*targets, "version"]
    assert answer["price ($)"] == pytest.approx(4e5, abs=6e4)
    assert answer["energy"] == pytest.approx(48, abs=3)
