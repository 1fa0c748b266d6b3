"""The recipes: each loads, and text, table and regression go through all eleven stages to a registered model."""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from headrace.commands.run_stage import load_settings, run_stage
from headrace.contracts import Spec
from headrace.data.datasets import BUILT_INS
from headrace.errors import ConfigError
from headrace.paths import Paths
from headrace.stages import STAGES
from headrace.storage.parquet import read_table

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.yaml"))
TALK = "we are at the shop now see you later tonight call home ok love train late dinner work film bus soon"
SPAM = "free prize claim winner cash urgent txt reply mobile bonus"
WORDS = TALK.split()
is_long = [pytest.mark.slow, pytest.mark.e2e]


def settings_of(recipe):
    return YAML(typ="safe").load(RECIPES[0].parent / f"{recipe}.yaml")


def write_project(folder, recipe, **changes):
    """A project of the recipe; `changes` are merged into its sections."""
    params = settings_of(recipe)
    for section, values in changes.items():
        params[section].update(values)
    params["train"]["num_workers"] = 0
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(json.dumps(params))  # JSON is YAML
    return Paths(folder)


def write_passengers(path, num_rows=260):
    """A table with the Titanic's columns; women and the first class mostly survive."""
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        file.write("PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked\n")
        rows = csv.writer(file)
        for index in range(num_rows):
            sex, level = rng.choice(["male", "female"]), rng.choice([1, 2, 3])
            survived = int(rng.random() < (0.95 if sex == "female" and level < 3 else 0.05))
            age = "" if rng.random() < 0.2 else round(rng.uniform(1, 70), 1)
            name, ticket = f"{rng.choice(WORDS).title()}, Mx. {index}", rng.randrange(10**6)
            family, fare, port = [rng.randrange(3), rng.randrange(3)], round(rng.expovariate(level / 60), 2), "SCQ"
            cabin = f"C{index}" if rng.random() < 0.2 else ""
            rows.writerow([index + 1, survived, level, name, sex, age, *family, ticket, fare, cabin, rng.choice(port)])


def write_messages(path, num_rows=320):
    """Messages as the SMS Spam Collection has them: no header, and quotes that quote nothing."""
    rng = random.Random(0)
    with path.open("w") as file:
        for index in range(num_rows):
            label = "spam" if index % 4 == 0 else "ham"
            telling = rng.sample(SPAM.split(), 3) if label == "spam" else rng.sample(WORDS, 3)
            words = [*rng.choices(WORDS, k=5), *telling, str(index)]
            rng.shuffle(words)
            file.write(f'{label}\t"{" ".join(words)}\n')


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_loads_and_its_comment_names_source_and_result(path, tmp_path):
    (tmp_path / "params.yaml").write_bytes(path.read_bytes())
    settings = load_settings(Paths(tmp_path))
    params = settings_of(path.stem)
    assert list(params) == list(STAGES)
    assert settings["register"].name == f"headrace-{path.stem}"
    assert settings["validate"].gate.bounds, "a recipe has a gate"
    source = params["ingest"]["source"]
    comment = "".join(line for line in path.read_text().splitlines(keepends=True) if line.startswith("# "))
    assert source in BUILT_INS or f" {source} " in comment, "the comment says where to get a source of one's own"
    assert "Reached" in comment
    assert all(len(line) <= 120 and line.isascii() for line in path.read_text().splitlines())


def test_recipe_with_a_typo_is_refused(tmp_path):
    text = (RECIPES[0].parent / "wine.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("max_epochs: 40", "max_epoch: 40"))
    with pytest.raises(ConfigError, match=r"train\.max_epoch: unknown key; .*did you mean 'max_epochs'"):
        load_settings(Paths(tmp_path))


def test_recipes_for_all_modalities_exist():
    assert {path.stem for path in RECIPES} >= {
        "mnist-fast", "cifar10-fast", "sms-spam", "sst2", "adult", "titanic", "diabetes",
    }  # fmt: skip


LOOSE = {"validate": {"gate": {}}, "explain": {"num_rows": 16, "num_examples": 3}}
CASES = {
    "titanic": (
        write_passengers,
        {"ingest": {"source": "titanic.csv"}, "train": {**settings_of("titanic")["train"], "max_epochs": 15}},
        ("table", "classification", 8),
    ),
    "sms-spam": (
        write_messages,
        {"ingest": {"source": "sms-spam.csv", "format": "sms-spam"}, "normalize": {"text": {"vocabulary": 300}}},
        ("text", "classification", 0),
    ),
    "diabetes": (None, {"train": {**settings_of("diabetes")["train"], "max_epochs": 25}}, ("table", "regression", 10)),
    "wine": (None, {"train": {**settings_of("wine")["train"], "max_epochs": 15}}, ("table", "classification", 13)),
}


@pytest.mark.parametrize("recipe", [pytest.param(name, marks=is_long) for name in CASES])
def test_recipe_ends_in_a_registered_model_that_answers_raw_rows(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write, changes, (modality, task, num_columns) = CASES[recipe]
    paths = write_project(tmp_path / "project", recipe, **LOOSE | changes)
    if write:
        write(paths.root / f"{recipe}.csv")

    metrics = {stage: run_stage(stage, paths) for stage in STAGES}

    spec = Spec.read(paths.normalized_dir)
    assert (spec.modality, spec.task, len(spec.columns)) == (modality, task, num_columns)
    clean, split = metrics["clean"], metrics["split"]
    assert clean["rows_in"] == clean["rows_out"] + clean["quarantined"] == metrics["ingest"]["rows"]
    assert split["train"] + split["val"] + split["test"] == clean["rows_out"]
    assert metrics["explain"]["deletion"] > 0
    tested = metrics["test"]
    assert tested["r2"] > 0.2 if task == "regression" else tested["accuracy"] > 0.75
    registered = json.loads(paths.registered_path.read_text())
    assert (registered["name"], registered["version"]) == (f"headrace-{recipe}", 1)
    assert registered["aliases"] == ["challenger", "champion"]
    assert "nan" not in capsys.readouterr().out.lower()
    check_served(paths, spec, registered["uri"])


def check_served(paths, spec, uri):
    """In another process, the registered model predicts raw test rows as `test` recorded."""
    predictions = pq.read_table(paths.report_dir("test") / "predictions.parquet").to_pylist()
    recorded = {row["row_id"]: row for row in predictions}
    raw = [row for row in read_table(paths.raw_dir).to_pylist() if row["row_id"] in recorded]
    names = ["text"] if spec.modality == "text" else [column.name for column in spec.columns]
    code = f"""
import json, sys, mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{paths.root / "mlflow.db"}")
rows = json.load(sys.stdin)
answers = mlflow.pyfunc.load_model("{uri}").predict(pd.DataFrame(rows))
print(json.dumps(pd.DataFrame(answers).to_dict("records")))
"""
    rows = json.dumps([{name: row[name] for name in names} for row in raw])
    done = subprocess.run([sys.executable, "-c", code], input=rows, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert len(answers) == len(raw) > 15
    for answer, row in zip(answers, raw, strict=True):
        check_answer(spec, answer, recorded[row["row_id"]])


def check_answer(spec, answer, recorded):
    """The server's answer is the one that `test` recorded and measured."""
    if spec.task == "classification":
        assert answer["label"] == recorded["predicted"]
        assert answer["confidence"] == pytest.approx(recorded["confidence"], abs=1e-6)
    else:
        assert answer["prediction"] == pytest.approx(recorded["predicted"], rel=1e-6)
