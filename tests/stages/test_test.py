import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.stages.test import Config, run
from headrace.storage import atomic
from headrace.storage.arrays import open_arrays


@pytest.fixture
def validated(trained: Paths) -> Paths:
    """The trained project as it stands after `validate`, with noise on its test rows: some answers are wrong."""
    inputs = np.load(trained.normalized_dir / "test" / "inputs.npy", mmap_mode="r+")
    inputs[:] = np.clip(inputs + np.random.default_rng(0).normal(0, 90, inputs.shape), 0, 255).astype(np.uint8)
    inputs.flush()
    atomic.write_json(trained.metrics_path("validate"), {"temperature": 1.5})
    return trained


def read_csv(paths: Paths, place: str) -> list[dict[str, str]]:
    with (paths.root / place).open() as file:
        return list(csv.DictReader(file))


def test_metrics_predictions_and_tables_tell_the_same(validated: Paths) -> None:
    metrics = run(Config(noise_sigmas=[0.1, 200], seed=1), validated)
    predictions = pq.read_table(validated.report_dir("test") / "predictions.parquet")
    assert predictions.column_names == ["row_id", "target", "predicted", "confidence", "correct"]
    correct = predictions["correct"].to_numpy()
    assert metrics["num_rows"] == len(predictions) == 200
    assert 0.4 < metrics["accuracy"] == correct.mean() < 0.95
    assert (correct == (predictions["target"].to_numpy() == predictions["predicted"].to_numpy())).all()
    test = open_arrays(validated.normalized_dir / "test")
    assert predictions["row_id"].to_pylist() == [row_id.decode() for row_id in test.row_ids]

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


def test_plots_count_every_row(validated: Paths) -> None:
    metrics = run(Config(noise_sigmas=[]), validated)
    pairs = read_csv(validated, "plots/test/confusion.csv")
    assert list(pairs[0]) == ["actual", "predicted"]
    assert sum(pair["actual"] == pair["predicted"] for pair in pairs) == metrics["accuracy"] * 200
    assert sum(int(found["rows"]) for found in read_csv(validated, "plots/test/calibration.csv")) == 200
    assert not any(name.startswith("noise") for name in metrics)


def test_temperature_of_validate_softens_confidences_but_no_answer(validated: Paths) -> None:
    def confidences(temperature: float) -> tuple[float, np.ndarray]:
        atomic.write_json(validated.metrics_path("validate"), {"temperature": temperature})
        metrics = run(Config(noise_sigmas=[]), validated)
        found = pq.read_table(validated.report_dir("test") / "predictions.parquet")["confidence"].to_numpy()
        return metrics["accuracy"], found

    (accuracy, sharp), (same_accuracy, soft) = confidences(1), confidences(4)
    assert accuracy == same_accuracy
    assert soft.mean() < sharp.mean()


def test_same_settings_same_metrics(validated: Paths) -> None:
    assert run(Config(), validated) == run(Config(), validated)


@pytest.mark.parametrize("content", [None, "{}", "nonsense", json.dumps({"temperature": None})])
def test_missing_or_odd_temperature_is_told(trained: Paths, content: str | None) -> None:
    if content is not None:
        atomic.write_text(trained.metrics_path("validate"), content)
    with pytest.raises(DataError, match=r"validate\.json: (no such file|tells no temperature).*dvc repro"):
        run(Config(), trained)


@pytest.mark.parametrize("project", [("table", "regression"), ("text", "regression")], indirect=True, ids="-".join)
def test_regression_predictions_slices_and_metrics_tell_the_same(project: Paths) -> None:
    atomic.write_json(project.metrics_path("validate"), {"interval_90": 1.5})
    metrics = run(Config(), project)
    told = pq.read_table(project.report_dir("test") / "predictions.parquet")
    assert told.column_names == ["row_id", "target", "predicted", "error"]
    errors = told["error"].to_numpy()
    assert errors == pytest.approx(told["predicted"].to_numpy() - told["target"].to_numpy())
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert metrics["coverage_90"] == np.mean(np.abs(errors) <= 1.5)
    assert not any(name.startswith("noise") for name in metrics)
    slices = read_csv(project, "reports/test/slices.csv")
    assert {"target=low", "target=middle", "target=high"} < {part["slice"] for part in slices}
    assert metrics["worst_slice_rmse"] == max(float(part["rmse"]) for part in slices) == float(slices[0]["rmse"])
    assert not (project.report_dir("test") / "per_class.csv").exists()
    assert len(read_csv(project, "plots/test/residuals.csv")) == 150
    assert read_csv(project, "plots/test/confusion.csv") == read_csv(project, "plots/test/calibration.csv") == []


@pytest.mark.parametrize(
    ("project", "prefix"),
    [
        (("table", "classification"), ("size=", "noise=", "seen=", "colour=")),
        (("text", "classification"), ("tokens=",)),
    ],
    indirect=["project"],
    ids=["table", "text"],
)
def test_texts_and_tables_are_sliced_by_what_they_hold(project: Paths, prefix: tuple[str, ...]) -> None:
    atomic.write_json(project.metrics_path("validate"), {"temperature": 1.0})
    metrics = run(Config(), project)
    names = {part["slice"] for part in read_csv(project, "reports/test/slices.csv")}
    assert {"class=low", "class=high"} < names
    for begin in prefix:
        assert sum(name.startswith(begin) for name in names) == 3
    assert metrics["accuracy"] > 0.9
    assert not any(name.startswith("noise") for name in metrics)


@pytest.mark.parametrize("project", [("table", "regression")], indirect=True)
def test_missing_interval_is_told(project: Paths) -> None:
    atomic.write_json(project.metrics_path("validate"), {"temperature": 1.0})
    with pytest.raises(DataError, match=r"validate\.json: tells no interval_90; run: dvc repro --force validate"):
        run(Config(), project)
