"""A project whose registry has versions and runs with stored answers, as `register` and the sender write them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.paths import Paths
from headrace.storage.label_codec import encode_names
from headrace.tracking.client import connect, find_or_create_experiment

CLASSES = ["cat", "dog", "owl"]


def make_ids(num_rows, start=0):
    """Sorted row ids."""
    return [f"{row:032x}" for row in range(start, start + num_rows)]


def draw_classes(num_rows, accuracy, seed, start=0, classes=CLASSES):
    """Answers of a classifier; the same rows have the same targets and the same hard rows whatever the seed."""
    hard = np.random.default_rng(0).random(start + num_rows)[start:]
    targets = np.random.default_rng(1).integers(0, len(classes), start + num_rows)[start:]
    own = np.random.default_rng(seed)
    correct = 0.8 * hard + 0.2 * own.random(num_rows) < accuracy
    predicted = np.where(correct, targets, (targets + 1) % len(classes))
    probabilities = np.full((num_rows, len(classes)), 0.1 / (len(classes) - 1))
    probabilities[np.arange(num_rows), predicted] = 0.9
    names = np.array(classes, object)
    columns = [pa.array(column) for column in probabilities.T]
    return pa.table({
        "row_id": make_ids(num_rows, start),
        "source": [f"pets.csv:{row}" for row in range(start, start + num_rows)],
        "target": names[targets],
        "predicted": names[predicted],
        "confidence": own.uniform(0.5, 1, num_rows),
        "correct": predicted == targets,
        "probabilities": pa.StructArray.from_arrays(columns, list(classes)),
    })  # fmt: skip


def draw_labels(num_rows, accuracy, seed):
    """Answers of a multilabel model."""
    targets = np.random.default_rng(1).random((num_rows, 3)) < 0.4
    own = np.random.default_rng(seed)
    predicted = targets ^ (own.random((num_rows, 3)) > accuracy)
    columns = [pa.array(column) for column in np.where(predicted, 0.8, 0.2).T]
    return pa.table({
        "row_id": make_ids(num_rows),
        "target": [encode_names(np.array(CLASSES)[row].tolist()) for row in targets],
        "predicted": [encode_names(np.array(CLASSES)[row].tolist()) for row in predicted],
        "wrong_share": (predicted != targets).mean(axis=1),
        "probabilities": pa.StructArray.from_arrays(columns, CLASSES),
    })  # fmt: skip


def draw_values(num_rows, scale, seed):
    """Answers of a regression; `scale` is that of the errors."""
    targets = np.random.default_rng(1).normal(size=num_rows)
    predicted = targets + np.random.default_rng(seed).normal(0, scale, num_rows)
    return pa.table(
        {"row_id": make_ids(num_rows), "target": targets, "predicted": predicted, "error": predicted - targets}
    )


def make_record(learning_rate=0.01, **changes):
    """The origin of a model, as `register` stores it."""
    return {
        "settings": {"train": {"learning_rate": learning_rate, "model": {"name": "cnn"}}, "split": {"seed": 0}},
        "lineage": {"data": {"raw": "a" * 32}, "git_commit": "c" * 40, "git_dirty": False, "python": "3.11.7",
                    "packages": {"torch": "2.13.0"}},
        "code": {"train": "1" * 64, "test": "2" * 64},
        "metrics": {"quantize": {"passed": 1, "int8_bytes": 127_000, "int8_latency_ms": 0.17}},
    } | changes  # fmt: skip


def make_project(root: Path, empty_registry: Path, name="pets") -> Paths:
    """A project with an empty registry."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_registry, root / "mlflow.db")
    (root / "params.yaml").write_text(f"register: {{name: {name}}}\n")
    return Paths(root)


def add_run(paths, run_name, answers, record):
    """A finished run with its files; returns its id."""
    client = connect(paths)
    run = client.create_run(find_or_create_experiment(client, paths), run_name=run_name)
    folder = paths.root / "run-files"
    (folder / "reports" / "test").mkdir(parents=True)
    (folder / "metrics").mkdir()
    pq.write_table(answers, folder / "reports" / "test" / "predictions.parquet")
    settings = {name: values for name, values in record["settings"].items() if name != "train"}
    (folder / "params.yaml").write_text(json.dumps({**settings, "train": {}}))
    (folder / "settings.json").write_text(json.dumps(record["settings"]["train"]))
    (folder / "lineage.json").write_text(json.dumps(record["lineage"] | {"code": record["code"]["train"]}))
    for stage, metrics in record["metrics"].items():
        (folder / "metrics" / f"{stage}.json").write_text(json.dumps(metrics))
    client.log_artifacts(run.info.run_id, str(folder))
    shutil.rmtree(folder)
    client.set_terminated(run.info.run_id)
    return run.info.run_id


def add_version(paths, answers, record=None, *, run_id="", aliases=(), name="pets"):
    """A version; without a record it is one of an earlier release, which stored the outcomes only."""
    client = connect(paths)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    model = client.create_logged_model(
        find_or_create_experiment(client, paths), name=name, source_run_id=run_id or None
    )
    folder = paths.root / "model-files"
    (folder / "evaluation").mkdir(parents=True)
    if record is None:
        outcome = next(column for column in ("correct", "wrong_share", "error") if column in answers.column_names)
        answers = answers.select(["row_id", outcome])
    else:
        (folder / "evaluation" / "record.json").write_text(json.dumps(record))
    pq.write_table(answers, folder / "evaluation" / "test.parquet")
    client.log_model_artifacts(model.model_id, str(folder))
    shutil.rmtree(folder)
    client.finalize_logged_model(model.model_id, "READY")
    version = client.create_model_version(name, source=model.artifact_location, run_id=run_id or None)
    for alias in aliases:
        client.set_registered_model_alias(name, alias, str(version.version))
    return int(version.version)
