import csv
import json
import logging
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import ConfigError, DataError
from headrace.paths import Paths
from headrace.stages import validate
from headrace.stages.test import Config, run
from headrace.storage import atomic
from headrace.storage.arrays import open_arrays, write_columns
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
    metrics = run(Config(noise_sigmas=[0.1, 200], robustness_rows=0, seed=1), validated)
    predictions = pq.read_table(validated.report_dir("test") / "predictions.parquet")
    assert predictions.column_names == [
        "row_id",
        "source",
        "target",
        "predicted",
        "confidence",
        "correct",
        "abstained",
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
    assert {(part["column"], part["value"]) for part in slices} == {
        *(("class", name) for name in ("cross", "disc", "square")),
        *(("brightness", third) for third in ("low", "middle", "high")),
    }
    assert [row["third"] for row in read_csv(validated, "reports/test/thirds.csv")] == ["low", "middle", "high"]
    assert metrics["worst_slice_accuracy"] == min(float(part["accuracy"]) for part in slices)
    recalls = {row["class"]: float(row["recall"]) for row in read_csv(validated, "reports/test/per_class.csv")}
    assert metrics["worst_class_accuracy"] == min(recalls.values())
    assert metrics["noise_0.1"] == pytest.approx(metrics["accuracy"], abs=0.02)
    assert metrics["noise_200"] < metrics["accuracy"]


def test_plots_hold_every_row(validated: Paths) -> None:
    metrics = run(Config(noise_sigmas=[], robustness_rows=0), validated)
    pairs = read_csv(validated, "plots/test/confusion.csv")
    assert list(pairs[0]) == ["actual", "predicted"]
    assert sum(pair["actual"] == pair["predicted"] for pair in pairs) == metrics["accuracy"] * 200
    assert sum(int(row["rows"]) for row in read_csv(validated, "plots/test/calibration.csv")) == 200
    assert not any(name.startswith("noise") for name in metrics)


def test_metrics_are_reproducible(validated: Paths) -> None:
    config = Config(robustness_rows=4)
    assert run(config, validated) == run(config, validated)


def test_metrics_are_those_of_the_selected_graph(validated: Paths) -> None:
    weights = validated.quantized_dir / "model.onnx"
    test = open_arrays(validated.normalized_dir / "test")
    for graph in (weights, validated.trained_dir / "model.onnx"):
        shutil.copy(graph, weights) if graph != weights else None
        metrics = run(Config(noise_sigmas=[], robustness_rows=0), validated)
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
    assert {part["value"] for part in slices if part["column"] == "target"} == {"low", "middle", "high"}
    assert metrics["worst_slice_rmse"] == max(float(part["rmse"]) for part in slices) == float(slices[0]["rmse"])
    assert not (project.report_dir("test") / "per_class.csv").exists()
    assert len(read_csv(project, "plots/test/residuals.csv")) == 150
    assert read_csv(project, "plots/test/confusion.csv") == read_csv(project, "plots/test/calibration.csv") == []


@pytest.mark.parametrize(
    ("project", "columns"),
    [
        (("table", "classification"), ("size", "noise", "seen", "colour")),
        (("text", "classification"), ("tokens",)),
    ],
    indirect=["project"],
    ids=["table", "text"],
)
def test_texts_and_tables_are_sliced_by_their_inputs(project: Paths, columns: tuple[str, ...]) -> None:
    calibrate(project)
    metrics = run(Config(), project)
    slices = read_csv(project, "reports/test/slices.csv")
    assert {part["value"] for part in slices if part["column"] == "class"} == {"low", "high"}
    for column in columns:
        assert len({part["value"] for part in slices if part["column"] == column} - {"missing"}) == 3
    assert metrics["accuracy"] > 0.9
    assert not any(name.startswith("noise") for name in metrics)


@pytest.mark.parametrize("project", [("table", "regression")], indirect=True)
def test_missing_interval_raises(project: Paths) -> None:
    calibrate(project)
    atomic.write_json(project.quantized_dir / "calibration.json", {"temperature": 1.0})
    with pytest.raises(DataError, match=r"calibration\.json: no number 'interval_90'; run: dvc repro --force quantize"):
        run(Config(), project)


def test_images_have_corruptions_pictures_of_mistakes_and_figures(validated: Paths) -> None:
    metrics = run(Config(robustness_rows=16, num_mistakes=3), validated)
    folder = validated.report_dir("test")
    rows = read_csv(validated, "reports/test/robustness.csv")
    assert len(rows) == 1 + 11 * 5
    values = [float(row["value"]) for row in rows[1:]]
    assert metrics["robust_accuracy"] == pytest.approx(np.mean(values))
    assert len(read_csv(validated, "plots/test/robustness.csv")) == 6
    mistakes = json.loads((folder / "mistakes.json").read_text())
    predictions = {row["row_id"]: row for row in pq.read_table(folder / "predictions.parquet").to_pylist()}
    assert len(mistakes) == 3
    for mistake in mistakes:
        row = predictions[mistake["row_id"]]
        assert (mistake["source"], mistake["label"], mistake["predicted"]) == (
            row["source"], row["target"], row["predicted"]
        )  # fmt: skip
        assert not row["correct"]
        assert mistake["confidence"] == row["confidence"]
        assert (folder / mistake["picture"]).is_file()
    assert {path.stem for path in (folder / "figures").iterdir()} == {
        "reliability", "confusion", "roc", "precision_recall",
    }  # fmt: skip
    unfamiliar = json.loads((folder / "out_of_distribution.json").read_text())
    assert metrics["ood_auroc"] == min(part["auroc"] for part in unfamiliar["generated"])
    answered = [row["correct"] for row in predictions.values() if not row["abstained"]]
    assert metrics["abstained"] == pytest.approx(1 - len(answered) / len(predictions))
    assert metrics.get("answered_accuracy") == (np.mean(answered) if answered else None)


@pytest.mark.parametrize("project", [("table", "classification")], indirect=True)
def test_a_column_that_the_model_has_not_is_sliced(project: Paths) -> None:
    calibrate(project)
    folder = project.normalized_dir / "test"
    row_ids = open_arrays(folder).row_ids.astype(str)
    sexes = [["female", "male"][int(row_id[0], 16) % 2] for row_id in row_ids]
    write_columns(folder, pa.table({"sex": sexes}))  # as normalize leaves a column that ingest.columns ignores
    run(Config(slices=["sex", "size"]), project)
    slices = read_csv(project, "reports/test/slices.csv")
    assert {part["column"] for part in slices} == {"class", "sex", "size"}
    correct = {
        value: [row["correct"] for row in predictions if int(row["row_id"][0], 16) % 2 == index]
        for index, value in enumerate(["female", "male"])
        for predictions in [pq.read_table(project.report_dir("test") / "predictions.parquet").to_pylist()]
    }
    for part in slices:
        if part["column"] == "sex":
            assert int(part["rows"]) == len(correct[part["value"]])
            assert float(part["accuracy"]) == pytest.approx(np.mean(correct[part["value"]]))
    with pytest.raises(ConfigError, match=r"params.yaml: test.slices: no column 'Sex'; choose one of .*'sex'"):
        run(Config(slices=["Sex"]), project)
    assert read_csv(project, "reports/test/slices.csv") == slices  # nothing half-written


@pytest.mark.parametrize("project", [("text", "classification"), ("table", "regression")], indirect=True, ids="-".join)
@pytest.mark.parametrize("num_rows", [1, 3])
def test_few_test_rows_have_every_report(project: Paths, num_rows: int) -> None:
    calibrate(project)
    test_dir = project.normalized_dir / "test"
    for path in [*test_dir.glob("*.npy"), *test_dir.glob("*.parquet")]:
        if path.suffix == ".npy":
            np.save(path, np.load(path)[:num_rows])
        else:
            pq.write_table(pq.read_table(path)[:num_rows], path)
    metrics = run(Config(), project)
    assert metrics["num_rows"] == num_rows
    assert {path.name for path in project.report_dir("test").iterdir()} >= {
        "worst_slices.csv", "robustness.csv", "mistakes.json", "out_of_distribution.json", "figures", "slices.csv",
    }  # fmt: skip
    assert read_csv(project, "reports/test/worst_slices.csv") == []
    assert "NaN" not in json.dumps(metrics)


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
