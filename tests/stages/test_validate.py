import csv
import json

import numpy as np
import pytest

from headrace.errors import ConfigError, GateError
from headrace.evaluation.gates.bounds import Bound, Gate, SliceBound
from headrace.paths import Paths
from headrace.settings.validate import Baselines
from headrace.stages.validate import Config, run
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle

OFF = Baselines(seconds=0)
"""No baselines: a process that fits them takes some seconds."""


@pytest.fixture
def uncertain(trained: Paths) -> Paths:
    """The trained project with noise on its validation rows, so that some predictions are wrong."""
    inputs = np.load(trained.normalized_dir / "val" / "inputs.npy", mmap_mode="r+")
    noise = np.random.default_rng(0).normal(0, 90, inputs.shape)
    inputs[:] = np.clip(inputs + noise, 0, 255).astype(np.uint8)
    inputs.flush()
    return trained


def test_metrics_match_those_of_the_graph(uncertain: Paths) -> None:
    metrics = run(Config(target_accuracy=0.95, baselines=OFF), uncertain)
    val = open_arrays(uncertain.normalized_dir / "val")
    logits = read_bundle(uncertain.trained_dir).graph().predict(val.inputs)
    correct = logits.argmax(axis=1) == val.targets
    assert 0.4 < metrics["accuracy"] == correct.mean() < 0.95
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]
    assert metrics["ece"] < metrics["ece_before"]
    assert metrics["temperature"] > 1  # noise makes the model overconfident
    scaled = np.exp(logits / metrics["temperature"])
    confidence = (scaled / scaled.sum(axis=1, keepdims=True)).max(axis=1)
    accepted = confidence > metrics["threshold"] + 1e-5  # these are float32
    assert accepted.mean() == pytest.approx(metrics["coverage"], abs=0.006)
    assert correct[accepted].mean() >= 0.94


def test_calibration_plot_holds_every_row(trained: Paths) -> None:
    run(Config(baselines=OFF), trained)
    with (trained.plots_dir("validate") / "calibration.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["confidence", "accuracy", "rows"]
    assert sum(int(row["rows"]) for row in rows) == 200


def test_failed_gate_exits_with_3_after_writing_the_plots(trained: Paths) -> None:
    with pytest.raises(GateError, match=r"loss \S+ is above max 0.*all metrics: num_rows 200") as caught:
        run(Config(gate=Gate(loss=Bound(max=0.0)), baselines=OFF), trained)
    assert caught.value.exit_code == 3
    assert (trained.plots_dir("validate") / "calibration.csv").is_file()
    gates = json.loads((trained.report_dir("validate") / "gates.json").read_bytes())
    assert (gates["passed"], gates["rules"][0]["verdict"], gates["rules"][0]["rows"]) == (False, "failed", 200)


def test_passed_gate_returns_the_metrics(trained: Paths) -> None:
    gate = Gate(accuracy=Bound(min=0.5), ece=Bound(max=0.9))
    assert run(Config(gate=gate, baselines=OFF), trained)["accuracy"] > 0.5


@pytest.mark.parametrize("project", [("table", "regression")], indirect=True)
def test_metrics_of_a_regression_hold_errors_and_the_interval(project: Paths) -> None:
    metrics = run(Config(gate=Gate(r2=Bound(min=0.9), rmse=Bound(max=3)), baselines=OFF), project)
    val = open_arrays(project.normalized_dir / "val")
    errors = read_bundle(project.trained_dir).graph().predict(val.inputs)[:, 0] - val.targets
    assert metrics["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    assert metrics["rmse_low"] < metrics["rmse"] < metrics["rmse_high"]
    assert (np.abs(errors) <= metrics["interval_90"] + 1e-5).sum() == 136  # of 150: ceil(0.9 * 151)
    with (project.plots_dir("validate") / "residuals.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert np.array([float(row["error"]) for row in rows]) == pytest.approx(errors, abs=1e-4)
    # `dvc plots` complains about a missing file
    assert (project.plots_dir("validate") / "calibration.csv").read_text() == "confidence,accuracy,rows\n"


@pytest.mark.parametrize("project", [("table", "regression")], indirect=True)
def test_gate_on_a_metric_of_another_task_raises(project: Paths) -> None:
    with pytest.raises(ConfigError, match=r"validate\.gate\.accuracy: no such metric; choose one of .*'rmse'"):
        run(Config(gate=Gate(accuracy=Bound(min=0.9)), baselines=OFF), project)


@pytest.mark.parametrize("project", [("table", "classification")], indirect=True)
def test_slices_of_a_table_are_those_of_its_columns(project: Paths, caplog: pytest.LogCaptureFixture) -> None:
    slices = [SliceBound(column="colour", min=0.5, min_rows=60), SliceBound(column="worth", max=5.0, metric="loss")]
    run(Config(gate=Gate(slices=slices), baselines=OFF), project)
    rules = json.loads((project.report_dir("validate") / "gates.json").read_bytes())["rules"]
    by_slice = {(rule["slice"]["column"], rule["slice"]["value"]): rule for rule in rules}
    assert by_slice.keys() == {
        *(("colour", value) for value in ("blue", "green", "red")), *(("worth", value) for value in ("high", "low")),
    }  # fmt: skip
    assert sum(rule["rows"] for (column, _), rule in by_slice.items() if column == "colour") == 150
    few = [rule for rule in rules if rule["verdict"] == "too few rows"]
    assert len(few) == sum("too few rows to say" in record.getMessage() for record in caplog.records) > 0
    assert all(rule["low"] <= rule["value"] <= rule["high"] for rule in rules)
    with pytest.raises(ConfigError, match=r"column 'colr': not a column .*\(did you mean 'colour'\?\)"):
        run(Config(gate=Gate(slices=[SliceBound(column="colr", min=0.5)]), baselines=OFF), project)


def test_gate_on_the_difference_to_the_best_baseline(trained: Paths) -> None:
    metrics = run(Config(gate=Gate(over_baseline=Bound(min=0.0))), trained)
    report = json.loads((trained.report_dir("validate") / "baselines.json").read_bytes())
    assert [entry["short_name"] for entry in report["baselines"]] == ["prior", "linear"]
    assert metrics["baseline_best"] == max(metrics["baseline_prior"], metrics["baseline_linear"])
    assert metrics["over_baseline"] == pytest.approx(metrics["accuracy"] - metrics["baseline_best"])
    with pytest.raises(GateError, match=r"over_baseline \S+ is below min 1"):
        run(Config(gate=Gate(over_baseline=Bound(min=1.0))), trained)
    with pytest.raises(ConfigError, match=r"validate\.gate\.over_baseline: no such metric"):
        run(Config(gate=Gate(over_baseline=Bound(min=0.0)), baselines=OFF), trained)
