import json
import logging

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from headrace.contracts import Json
from headrace.evaluation.evaluators import find_evaluator
from headrace.paths import Paths
from headrace.quantization import benchmark, candidates
from headrace.stages.quantize import Config, run
from headrace.storage.arrays import open_arrays
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


def test_chosen_graph_is_the_one_in_the_metrics(trained: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    metrics = run(LENIENT, trained)
    assert metrics["passed"] == 1
    assert metrics["num_candidates"] == 4
    val = open_arrays(trained.normalized_dir / "val")
    int8 = OnnxModel(trained.quantized_dir / "model.onnx").predict(val.inputs).argmax(axis=1)
    fp32 = OnnxModel(trained.trained_dir / "model.onnx").predict(val.inputs).argmax(axis=1)
    assert metrics["int8_accuracy"] == (int8 == val.targets).mean()
    assert metrics["fp32_accuracy"] == (fp32 == val.targets).mean()
    assert metrics["agreement"] == (int8 == fp32).mean()
    assert metrics["loss"] == pytest.approx(metrics["fp32_accuracy"] - metrics["int8_accuracy"])
    assert metrics["int8_bytes"] == (trained.quantized_dir / "model.onnx").stat().st_size
    assert metrics["size_ratio"] == metrics["int8_bytes"] / metrics["fp32_bytes"]
    assert read_choice(trained)["chosen"] in {"static_minmax", "static_percentile", "static_reduced", "dynamic"}
    assert capfd.readouterr() == ("", "")


def test_no_passing_candidate_writes_no_graph_and_logs_the_reasons(
    trained: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    (trained.quantized_dir).mkdir(parents=True)
    (trained.quantized_dir / "model.onnx").write_bytes(b"from an earlier run")
    with caplog.at_level(logging.WARNING):
        metrics = run(Config(max_size=0.01, max_latency=1000, methods=["dynamic"]), trained)
    assert metrics["passed"] == 0
    assert metrics["int8_bytes"] > 0
    assert not (trained.quantized_dir / "model.onnx").exists()
    assert read_choice(trained)["chosen"] is None
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert "no int8 model passed: dynamic takes" in message
    assert "(max_size 0.01)" in message
    assert "\n" not in message


def test_broken_candidate_is_rejected_for_its_quality(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    original = candidates.make_candidate

    def break_dynamic(candidate: candidates.Candidate, prepared: object, path: object, *, rows: object) -> None:
        original(candidate, prepared, path, rows=rows)  # type: ignore[arg-type]
        if candidate.method == "dynamic":
            negate_weights(str(path))

    monkeypatch.setattr(candidates, "make_candidate", break_dynamic)
    metrics = run(LENIENT, trained)
    by_name = {entry["name"]: entry for entry in read_choice(trained)["candidates"]}
    assert metrics["passed"] == 1
    assert read_choice(trained)["chosen"] != "dynamic"
    assert not by_name["dynamic"]["passed"]
    assert by_name["dynamic"]["reasons"][0].startswith("loses 0.")
    assert "(max_loss 0.05)" in by_name["dynamic"]["reasons"][0]


def negate_weights(path: str) -> None:
    graph = onnx.load(path)
    for weight in graph.graph.initializer:
        if weight.data_type == onnx.TensorProto.INT8 and len(weight.dims) == 2:
            negated = -np.maximum(numpy_helper.to_array(weight), -127)
            weight.CopyFrom(numpy_helper.from_array(negated, weight.name))
    onnx.save(graph, path)


def test_failing_candidate_does_not_fail_the_stage(
    trained: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = candidates.Candidate("static", "None")
    monkeypatch.setattr(candidates, "CANDIDATES", {"impossible": unknown})
    metrics = run(LENIENT, trained)
    assert metrics["passed"] == 0
    assert "int8_accuracy" not in metrics
    assert "fp32_accuracy" in metrics
    assert "impossible could not be made: KeyError" in caplog.text


def test_methods_and_number_of_calibration_rows_follow_the_settings(
    trained: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, int]] = []
    original = candidates.make_candidate

    def record(candidate: candidates.Candidate, prepared: object, path: object, *, rows: np.ndarray) -> None:
        calls.append((candidate.method, len(rows)))
        original(candidate, prepared, path, rows=rows)  # type: ignore[arg-type]

    monkeypatch.setattr(candidates, "make_candidate", record)
    assert run(LENIENT.model_copy(update={"methods": ["dynamic"], "num_calibration_rows": 9}), trained)["passed"] == 1
    assert calls == [("dynamic", 9)]


@pytest.mark.parametrize(
    "project",
    [("table", "classification"), ("table", "regression"), ("text", "classification"), ("text", "regression")],
    indirect=True,
)
def test_texts_and_tables_are_quantized_by_the_quality_of_their_task(project: Paths) -> None:
    metrics = run(LENIENT, project)
    evaluator = find_evaluator(read_bundle(project.trained_dir).spec)
    assert metrics["passed"] == 1
    assert metrics["num_candidates"] == 4
    choice = read_choice(project)
    assert not any("could not" in str(entry["reasons"]) for entry in choice["candidates"])
    val = open_arrays(project.normalized_dir / "val")
    outputs = OnnxModel(project.quantized_dir / "model.onnx").predict(val.inputs)
    assert metrics[f"int8_{evaluator.quality}"] == evaluator.score(outputs, val.targets) > 0.7
    assert metrics["loss"] == pytest.approx(metrics[f"fp32_{evaluator.quality}"] - metrics[f"int8_{evaluator.quality}"])
    assert 0.9 < metrics["agreement"] <= 1
    assert evaluator.quality in choice["fp32"]
