import csv
import json
import logging
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.stages import validate
from headrace.stages.test import Config, run
from headrace.storage import atomic
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle
from headrace.storage.onnx_model import OnnxModel
from headrace.storage.parquet import read_table
from tests.projects import calibrate


@pytest.fixture
def validated(trained: Paths) -> Paths:
    """The trained project after `quantize`, with noise on its test rows, so that some predictions are wrong."""
    inputs = np.load(trained.normalized_dir / "test" / "inputs.npy", mmap_mode="r+")
    inputs[:] = np.clip(inputs + np.random.default_rng(0).normal(0, 90, inputs.shape), 0, 255).astype(np.uint8)
    inputs.flush()
    calibrate(trained)
    return trained


def read_csv(paths: Paths, name: str) -> list[dict[str, str]]:
    with (paths.root / name).open() as file:
        return list(csv.DictReader(file))


def test_metrics_predictions_and_tables_agree(validated: Paths) -> None:
    metrics = run(Config(noise_sigmas=[0.1, 200], seed=1), validated)
    predictions = pq.read_table(validated.report_dir("test") / "predictions.parquet")
    assert predictions.column_names == [
        "row_id",
        "source",
        "target",
        "predicted",
        "confidence",
        "correct",
        "probabilities",
    ]
    correct = predictions["correct"].to_numpy()
    assert metrics["num_rows"] == len(predictions) == 200
    assert 0.4 < metrics["accuracy"] == correct.mean() < 0.95
    rows = predictions.to_pylist()
    assert all(row["correct"] == (row["target"] == row["predicted"]) for row in rows)
    assert all(list(row["probabilities"]) == ["cross", "disc", "square"] for row in rows)
    assert all(max(row["probabilities"], key=row["probabilities"].get) == row["predicted"] for row in rows)
    assert [row["probabilities"][row["predicted"]] for row in rows] == [row["confidence"] for row in rows]
    test = open_arrays(validated.normalized_dir / "test")
    assert predictions["row_id"].to_pylist() == [row_id.decode() for row_id in test.row_ids]

    raw = {row["row_id"]: row["path"] for row in read_table(validated.raw_dir, ["row_id", "path"]).to_pylist()}
    assert predictions["source"].to_pylist() == [raw[row_id] for row_id in predictions["row_id"].to_pylist()]

    slices = read_csv(validated, "reports/test/slices.csv")
    assert {part["slice"] for part in slices} == {
        *(f"class={name}" for name in ("cross", "disc", "square")),
        *(f"brightness={third}" for third in ("low", "middle", "high")),
    }
    assert metrics["worst_slice_accuracy"] == min(float(part["accuracy"]) for part in slices)
    recalls = {row["class"]: float(row["recall"]) for row in read_csv(validated, "reports/test/per_class.csv")}
    assert metrics["worst_class_accuracy"] == min(recalls.values())
    assert metrics["noise_0.1"] == pytest.approx(metrics["accuracy"], abs=0.02)
    assert metrics["noise_200"] < metrics["accuracy"]


def test_plots_hold_every_row(validated: Paths) -> None:
    metrics = run(Config(noise_sigmas=[]), validated)
    pairs = read_csv(validated, "plots/test/confusion.csv")
    assert list(pairs[0]) == ["actual", "predicted"]
    assert sum(pair["actual"] == pair["predicted"] for pair in pairs) == metrics["accuracy"] * 200
    assert sum(int(row["rows"]) for row in read_csv(validated, "plots/test/calibration.csv")) == 200
    assert not any(name.startswith("noise") for name in metrics)


def test_metrics_are_reproducible(validated: Paths) -> None:
    assert run(Config(), validated) == run(Config(), validated)


def test_metrics_are_those_of_the_selected_graph(validated: Paths) -> None:
    weights = validated.quantized_dir / "model.onnx"
    test = open_arrays(validated.normalized_dir / "test")
    for graph in (weights, validated.trained_dir / "model.onnx"):
        shutil.copy(graph, weights) if graph != weights else None
        metrics = run(Config(noise_sigmas=[]), validated)
        logits, fp32 = OnnxModel(weights).predict(test.inputs), read_bundle(validated.trained_dir).graph()
        correct = logits.argmax(axis=1) == test.targets
        assert metrics["accuracy"] == correct.mean()
        assert metrics["fp32_accuracy"] == (fp32.predict(test.inputs).argmax(axis=1) == test.targets).mean()
        assert metrics["accuracy_lost"] == pytest.approx(metrics["fp32_accuracy"] - metrics["accuracy"])
        assert metrics["accuracy_lost_low"] <= metrics["accuracy_lost"] <= metrics["accuracy_lost_high"]
    assert metrics["fp32_agreement"] == 1
    assert metrics["accuracy_lost_high"] == 0


@pytest.mark.parametrize("content", [None, "{}", "nonsense", "[1]", json.dumps({"temperature": None})])
def test_missing_or_invalid_calibration_raises(validated: Paths, content: str | None) -> None:
    path = validated.quantized_dir / "calibration.json"
    path.unlink()
    if content is not None:
        atomic.write_text(path, content)
    with pytest.raises(
        DataError, match=r"calibration\.json: (no such file|no number 'temperature'|not JSON|got ).*dvc repro"
    ):
        run(Config(), validated)


@pytest.mark.parametrize("project", [("table", "regression"), ("text", "regression")], indirect=True, ids="-".join)
def test_predictions_slices_and_metrics_of_a_regression_agree(project: Paths) -> None:
    calibrate(project)
    interval = json.loads((project.quantized_dir / "calibration.json").read_text())["interval_90"]
    metrics = run(Config(), project)
    predictions = pq.read_table(project.report_dir("test") / "predictions.parquet")
    assert predictions.column_names == ["row_id", "source", "target", "predicted", "error"]
    errors = predictions["error"].to_numpy()
    assert errors == pytest.approx(predictions["predicted"].to_numpy() - predictions["target"].to_numpy())
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert metrics["coverage_90"] == np.mean(np.abs(errors) <= interval)
    assert not any(name.startswith("noise") for name in metrics)
    slices = read_csv(project, "reports/test/slices.csv")
    assert {"target=low", "target=middle", "target=high"} < {part["slice"] for part in slices}
    assert metrics["worst_slice_rmse"] == max(float(part["rmse"]) for part in slices) == float(slices[0]["rmse"])
    assert not (project.report_dir("test") / "per_class.csv").exists()
    assert len(read_csv(project, "plots/test/residuals.csv")) == 150
    assert read_csv(project, "plots/test/confusion.csv") == read_csv(project, "plots/test/calibration.csv") == []


@pytest.mark.parametrize(
    ("project", "prefixes"),
    [
        (("table", "classification"), ("size=", "noise=", "seen=", "colour=")),
        (("text", "classification"), ("tokens=",)),
    ],
    indirect=["project"],
    ids=["table", "text"],
)
def test_texts_and_tables_are_sliced_by_their_inputs(project: Paths, prefixes: tuple[str, ...]) -> None:
    calibrate(project)
    metrics = run(Config(), project)
    names = {part["slice"] for part in read_csv(project, "reports/test/slices.csv")}
    assert {"class=low", "class=high"} < names
    for prefix in prefixes:
        assert sum(name.startswith(prefix) for name in names) == 3
    assert metrics["accuracy"] > 0.9
    assert not any(name.startswith("noise") for name in metrics)


@pytest.mark.parametrize("project", [("table", "regression")], indirect=True)
def test_missing_interval_raises(project: Paths) -> None:
    calibrate(project)
    atomic.write_json(project.quantized_dir / "calibration.json", {"temperature": 1.0})
    with pytest.raises(DataError, match=r"calibration\.json: no number 'interval_90'; run: dvc repro --force quantize"):
        run(Config(), project)


@pytest.mark.parametrize("project", [("table", "classification")], indirect=True)
def test_a_network_that_is_not_better_than_a_baseline_says_so(project: Paths, caplog: pytest.LogCaptureFixture) -> None:
    calibrate(project)
    validate.run(validate.Config(), project)
    with caplog.at_level(logging.WARNING):
        metrics = run(Config(), project)
    report = json.loads((project.report_dir("test") / "baselines.json").read_bytes())
    assert [entry["name"] for entry in report["baselines"]] == [
        "majority class",
        "logistic regression",
        "gradient boosting",
    ]
    assert report["model"] == metrics["accuracy"]
    assert metrics["over_baseline"] == pytest.approx(metrics["accuracy"] - metrics["baseline_best"])
    assert (report["sentence"] in caplog.text) == (metrics["over_baseline_low"] <= 0)
    np.save(project.normalized_dir / "test" / "targets.npy", 1 - open_arrays(project.normalized_dir / "test").targets)
    assert run(Config(), project)["accuracy"] == pytest.approx(1 - metrics["accuracy"])
    assert "is not clearly better than" in caplog.text or "is better than the network" in caplog.text
