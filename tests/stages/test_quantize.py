import csv
import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from headrace.contracts import Json
from headrace.evaluation.comparison import read_outcomes
from headrace.evaluation.evaluators import find_evaluator
from headrace.evaluation.gates.bounds import Bound, Gate
from headrace.evaluation.gates.verdicts import read_report
from headrace.evaluation.predictions import predict_split
from headrace.paths import Paths
from headrace.quantization import benchmark, candidates, static_quantization
from headrace.stages import validate
from headrace.stages.quantize import Config, run
from headrace.storage.arrays import open_arrays
from headrace.storage.atomic import write_json
from headrace.storage.bundle import read_bundle
from headrace.storage.onnx_model import OnnxModel

# the network of these tests is a few kilobytes, most of them names, and latencies do not matter here
LENIENT = Config(max_latency=1000, max_size=10, max_loss=0.05)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies need not be measured for a second each."""
    monkeypatch.setattr(benchmark, "SECONDS_PER_BATCH_SIZE", 0.0)


def read_choice(paths: Paths) -> Json:
    choice: Json = json.loads((paths.quantized_dir / "choice.json").read_text())
    return choice


@pytest.fixture
def validated(trained: Paths) -> Paths:
    """The project of images after `validate`."""
    write_json(trained.metrics_path("validate"), validate.run(validate.Config(), trained))
    return trained


@pytest.fixture
def broken_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidate `weights` has its weights negated: its answers are wrong."""
    original = candidates.make_candidate

    def break_weights(candidate: candidates.Candidate, prepared: object, path: object, *, rows: object) -> None:
        original(candidate, prepared, path, rows=rows)  # type: ignore[arg-type]
        if candidate.method == "weights":
            negate_weights(str(path))

    monkeypatch.setattr(candidates, "make_candidate", break_weights)


def test_chosen_graph_is_the_one_in_the_metrics(validated: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    metrics = run(LENIENT, validated)
    assert metrics["passed"] == 1
    assert metrics["num_candidates"] == 3
    val = open_arrays(validated.normalized_dir / "val")
    int8 = OnnxModel(validated.quantized_dir / "model.onnx").predict(val.inputs).argmax(axis=1)
    fp32 = OnnxModel(validated.trained_dir / "model.onnx").predict(val.inputs).argmax(axis=1)
    assert metrics["int8_accuracy"] == (int8 == val.targets).mean()
    assert metrics["fp32_accuracy"] == (fp32 == val.targets).mean()
    assert metrics["agreement"] == (int8 == fp32).mean()
    assert metrics["accuracy_lost"] == pytest.approx(metrics["fp32_accuracy"] - metrics["int8_accuracy"])
    assert metrics["int8_bytes"] == (validated.quantized_dir / "model.onnx").stat().st_size
    assert metrics["size_ratio"] == metrics["int8_bytes"] / metrics["fp32_bytes"]
    choice = read_choice(validated)
    assert choice["chosen"] in {"weights", "static_minmax", "static_percentile"}
    assert choice["machine"]["cores"] >= 1
    assert capfd.readouterr() == ("", "")


def test_calibration_is_that_of_the_chosen_graph(validated: Paths) -> None:
    for limits in (LENIENT, LENIENT.model_copy(update={"max_latency": 0.001})):
        run(limits, validated)
        calibration = json.loads((validated.quantized_dir / "calibration.json").read_text())
        bundle = read_bundle(validated.trained_dir)
        predictions = predict_split(bundle, validated.normalized_dir / "val", validated.quantized_dir / "model.onnx")
        assert calibration == find_evaluator(bundle.spec).validate(predictions, 0.99).metrics
    validated_metrics = json.loads(validated.metrics_path("validate").read_text())
    assert calibration == {name: validated_metrics[name] for name in calibration}, "that of float32"


def test_no_passing_candidate_selects_float32_and_logs_the_reasons(
    validated: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    (validated.quantized_dir).mkdir(parents=True)
    (validated.quantized_dir / "model.onnx").write_bytes(b"from an earlier run")
    with caplog.at_level(logging.WARNING):
        metrics = run(Config(max_size=0.01, max_latency=1000, methods=["weights"]), validated)
    assert metrics["passed"] == 0
    assert metrics["int8_bytes"] > 0
    graphs = [folder / "model.onnx" for folder in (validated.quantized_dir, validated.trained_dir)]
    assert graphs[0].read_bytes() == graphs[1].read_bytes()
    assert read_choice(validated)["chosen"] is None
    assert read_choice(validated)["precision"] == "float32"
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert "no int8 candidate passed: weights is neither clearly smaller" in message
    assert "max_size 0.01" in message
    assert "\n" not in message


@pytest.mark.usefixtures("broken_weights")
def test_broken_candidate_is_rejected_for_its_quality(validated: Paths) -> None:
    metrics = run(LENIENT, validated)
    by_name = {entry["name"]: entry for entry in read_choice(validated)["candidates"]}
    assert metrics["passed"] == 1
    assert read_choice(validated)["chosen"] != "weights"
    assert not by_name["weights"]["passed"]
    assert by_name["weights"]["reasons"][0].startswith("loses 0.")
    assert "(max_loss 0.05)" in by_name["weights"]["reasons"][0]


@pytest.mark.usefixtures("broken_weights")
def test_candidate_that_fails_the_gate_is_not_served(trained: Paths) -> None:
    gate = Gate(accuracy=Bound(min=0.9, by="interval"))
    write_json(trained.metrics_path("validate"), validate.run(validate.Config(gate=gate), trained))
    careless = LENIENT.model_copy(update={"max_loss": 1.0, "methods": ["weights"]})
    assert run(careless, trained)["passed"] == 0
    choice = read_choice(trained)
    (weights,) = choice["candidates"]
    assert (choice["chosen"], weights["passed"]) == (None, False)
    assert "fails validate.gate: accuracy 0." in weights["reasons"][0]
    reports = [read_report(trained.report_dir(stage)) for stage in ("validate", "quantize")]
    assert reports[0] == reports[1], "float32 is served"
    assert reports[1].verdict == "passed"


def test_outcomes_of_the_selected_graph_are_stored(validated: Paths) -> None:
    run(LENIENT, validated)
    table = read_outcomes(validated.report_dir("quantize") / "outcomes.parquet")
    val = open_arrays(validated.normalized_dir / "val")
    outputs = OnnxModel(validated.quantized_dir / "model.onnx").predict(val.inputs)
    assert table["correct"].to_pylist() == (outputs.argmax(axis=1) == val.targets).tolist()
    assert table["row_id"].to_pylist() == val.row_ids.astype(str).tolist()


@pytest.mark.parametrize("project", [("table", "classification")], indirect=True, ids="-".join)
def test_candidate_whose_rows_change_each_other_is_rejected(project: Paths) -> None:
    write_json(project.metrics_path("validate"), validate.run(validate.Config(), project))
    assert run(LENIENT.model_copy(update={"methods": ["dynamic"]}), project)["passed"] == 0
    (dynamic,) = read_choice(project)["candidates"]
    assert "answers a row differently beside other rows" in dynamic["reasons"][0]


def enlarge_channels(path: Path) -> None:
    """Makes half of the channels of the first convolution 10,000 times as large, and divides by it after."""
    model = onnx.load(path)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    first, second = (node for node in model.graph.node if node.op_type == "Conv")
    for name, index, factor in [
        (first.input[1], np.s_[:4], 1e4), (first.input[2], np.s_[:4], 1e4), (second.input[1], np.s_[:, :4], 1e-4),
    ]:  # fmt: skip
        values = np.array(numpy_helper.to_array(tensors[name]))
        values[index] *= factor
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))
    onnx.save(model, path)


def test_layers_that_destroy_the_quality_stay_in_float32(validated: Paths) -> None:
    enlarge_channels(validated.trained_dir / "model.onnx")
    settings = LENIENT.model_copy(update={"methods": ["static"], "calibrations": ["minmax"], "num_threads": 1})
    metrics = run(settings, validated)
    choice = read_choice(validated)
    destroyed, mixed = choice["candidates"]
    assert destroyed["accuracy_lost"]["value"] > settings.max_loss
    assert mixed["accuracy_lost"]["value"] <= settings.max_loss
    assert choice["chosen"] == mixed["name"] == "static_minmax_mixed"
    assert "nodes stay in float32)" in choice["reason"]
    assert metrics["passed"] == 1
    sensitivity = json.loads((validated.quantized_dir / "sensitivity.json").read_text())
    excluded = [entry for entry in sensitivity if entry["excluded"]]
    assert f"({len(excluded)} of {len(sensitivity)} nodes" in choice["reason"]
    assert sensitivity[0]["divergence"] > 100 * sensitivity[-1]["divergence"]
    assert choice["machine"]["threads"] == 1
    assert {row["name"] for row in choice["pareto"]} == {"fp32", "static_minmax", "static_minmax_mixed"}
    table = list(csv.DictReader((validated.plots_dir("quantize") / "sensitivity.csv").read_text().splitlines()))
    assert [row["node"] for row in table] == [entry["node"] for entry in sensitivity]


def test_fallback_can_be_disabled(validated: Paths) -> None:
    enlarge_channels(validated.trained_dir / "model.onnx")
    settings = {"methods": ["static"], "calibrations": ["minmax"], "fallback_seconds": 0}
    assert run(LENIENT.model_copy(update=settings), validated)["passed"] == 0
    assert not (validated.quantized_dir / "sensitivity.json").exists()
    assert (validated.plots_dir("quantize") / "sensitivity.csv").read_text() == "node,op,divergence,excluded\n"
    assert len(read_choice(validated)["candidates"]) == 1


def negate_weights(path: str) -> None:
    graph = onnx.load(path)
    for weight in graph.graph.initializer:
        if weight.data_type == onnx.TensorProto.INT8 and len(weight.dims) == 2:
            negated = -np.maximum(numpy_helper.to_array(weight), -127)
            weight.CopyFrom(numpy_helper.from_array(negated, weight.name))
    onnx.save(graph, path)


def test_failing_candidate_does_not_fail_the_stage(
    validated: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(static_quantization.METHODS, "minmax", "Impossible")
    metrics = run(LENIENT.model_copy(update={"methods": ["static"], "calibrations": ["minmax"]}), validated)
    assert metrics["passed"] == 0
    assert "int8_accuracy" not in metrics
    assert "fp32_accuracy" in metrics
    assert "static_minmax could not be made: KeyError" in caplog.text


def test_methods_and_number_of_calibration_rows_follow_the_settings(
    validated: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int]] = []
    original = candidates.make_candidate

    def record(candidate: candidates.Candidate, prepared: object, path: object, *, rows: np.ndarray) -> None:
        calls.append((candidate.method, len(rows)))
        original(candidate, prepared, path, rows=rows)  # type: ignore[arg-type]

    monkeypatch.setattr(candidates, "make_candidate", record)
    assert run(LENIENT.model_copy(update={"methods": ["weights"], "num_calibration_rows": 9}), validated)["passed"] == 1
    assert calls == [("weights", 9)]


@pytest.mark.parametrize(
    "project",
    [("table", "classification"), ("table", "regression"), ("text", "classification"), ("text", "regression")],
    indirect=True,
)
def test_texts_and_tables_are_quantized_by_the_quality_of_their_task(project: Paths) -> None:
    write_json(project.metrics_path("validate"), validate.run(validate.Config(), project))
    metrics = run(LENIENT, project)
    evaluator = find_evaluator(read_bundle(project.trained_dir).spec)
    assert metrics["passed"] == 1
    assert metrics["num_candidates"] == 3
    choice = read_choice(project)
    reasons = [reason for entry in choice["candidates"] for reason in entry["reasons"]]
    assert all(reason.startswith("has no weights of 256 values") for reason in reasons)
    val = open_arrays(project.normalized_dir / "val")
    outputs = OnnxModel(project.quantized_dir / "model.onnx").predict(val.inputs)
    assert metrics[f"int8_{evaluator.quality}"] == pytest.approx(
        evaluator.quality_by_row(outputs, val.targets, 0.0).mean()
    )
    assert metrics[f"int8_{evaluator.quality}"] > 0.7
    assert metrics[f"{evaluator.quality}_lost"] == pytest.approx(
        metrics[f"fp32_{evaluator.quality}"] - metrics[f"int8_{evaluator.quality}"]
    )
    assert 0.9 < metrics["agreement"] <= 1
    assert evaluator.quality in choice["fp32"]
