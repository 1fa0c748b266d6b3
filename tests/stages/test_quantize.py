import json
import logging

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from headrace.paths import Paths
from headrace.quantization import benchmark, candidates
from headrace.stages.quantize import Config, run
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle
from headrace.storage.onnx_model import OnnxModel
from headrace.tasks import TASKS

# the network of the tests is a few kilobytes, most of them names, and no time is judged here
LENIENT = Config(max_latency=1000, max_size=10, max_loss=0.05)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies need no second each here."""
    monkeypatch.setattr(benchmark, "SECONDS_PER_BATCH_SIZE", 0.0)


def choice(paths: Paths) -> dict[str, object]:
    found: dict[str, object] = json.loads((paths.quantized_dir / "choice.json").read_text())
    return found


def test_the_best_that_passes_is_kept_and_is_what_the_metrics_tell(
    trained: Paths, capfd: pytest.CaptureFixture[str]
) -> None:
    metrics = run(LENIENT, trained)
    assert metrics["passed"] == 1
    assert metrics["num_candidates"] == 4
    val = open_arrays(trained.normalized_dir / "val")
    kept = OnnxModel(trained.quantized_dir / "model.onnx").predict(val.inputs).argmax(axis=1)
    fp32 = OnnxModel(trained.trained_dir / "model.onnx").predict(val.inputs).argmax(axis=1)
    assert metrics["int8_accuracy"] == (kept == val.targets).mean()
    assert metrics["fp32_accuracy"] == (fp32 == val.targets).mean()
    assert metrics["agreement"] == (kept == fp32).mean()
    assert metrics["loss"] == pytest.approx(metrics["fp32_accuracy"] - metrics["int8_accuracy"])
    assert metrics["int8_bytes"] == (trained.quantized_dir / "model.onnx").stat().st_size
    assert metrics["size_ratio"] == metrics["int8_bytes"] / metrics["fp32_bytes"]
    assert choice(trained)["chosen"] in {"static_minmax", "static_percentile", "static_reduced", "dynamic"}
    assert capfd.readouterr() == ("", "")


def test_where_none_passes_nothing_is_kept_and_one_line_says_why(
    trained: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    (trained.quantized_dir).mkdir(parents=True)
    (trained.quantized_dir / "model.onnx").write_bytes(b"of a run before")
    with caplog.at_level(logging.WARNING):
        metrics = run(Config(max_size=0.01, max_latency=1000, methods=["dynamic"]), trained)
    assert metrics["passed"] == 0
    assert metrics["int8_bytes"] > 0
    assert not (trained.quantized_dir / "model.onnx").exists()
    assert choice(trained)["chosen"] is None
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert "no int8 model is kept: dynamic takes" in message
    assert "(max_size 0.01)" in message
    assert "\n" not in message


def test_a_broken_candidate_is_rejected_for_its_quality(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = candidates.make_candidate

    def breaking(recipe: candidates.Candidate, prepared: object, path: object, *, rows: object) -> None:
        honest(recipe, prepared, path, rows=rows)  # type: ignore[arg-type]
        if recipe.method == "dynamic":
            _turn_weights_around(str(path))

    monkeypatch.setattr(candidates, "make_candidate", breaking)
    metrics = run(LENIENT, trained)
    told = {found["name"]: found for found in choice(trained)["candidates"]}  # type: ignore[attr-defined]
    assert metrics["passed"] == 1
    assert choice(trained)["chosen"] != "dynamic"
    assert not told["dynamic"]["passed"]
    assert told["dynamic"]["reasons"][0].startswith("loses 0.")
    assert "(max_loss 0.05)" in told["dynamic"]["reasons"][0]


def _turn_weights_around(path: str) -> None:
    graph = onnx.load(path)
    for weight in graph.graph.initializer:
        if weight.data_type == onnx.TensorProto.INT8 and len(weight.dims) == 2:
            turned = -np.maximum(numpy_helper.to_array(weight), -127)
            weight.CopyFrom(numpy_helper.from_array(turned, weight.name))
    onnx.save(graph, path)


def test_candidates_that_cannot_be_made_are_no_failure(
    trained: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = candidates.Candidate("static", "None")
    monkeypatch.setattr(candidates, "CANDIDATES", {"impossible": unknown})
    metrics = run(LENIENT, trained)
    assert metrics["passed"] == 0
    assert "int8_accuracy" not in metrics
    assert "fp32_accuracy" in metrics
    assert "impossible could not be made: KeyError" in caplog.text


def test_methods_and_calibration_rows_are_as_asked(trained: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []
    honest = candidates.make_candidate

    def watching(recipe: candidates.Candidate, prepared: object, path: object, *, rows: np.ndarray) -> None:
        seen.append((recipe.method, len(rows)))
        honest(recipe, prepared, path, rows=rows)  # type: ignore[arg-type]

    monkeypatch.setattr(candidates, "make_candidate", watching)
    assert run(LENIENT.model_copy(update={"methods": ["dynamic"], "num_calibration_rows": 9}), trained)["passed"] == 1
    assert seen == [("dynamic", 9)]


@pytest.mark.parametrize(
    "project",
    [("table", "classification"), ("table", "regression"), ("text", "classification"), ("text", "regression")],
    indirect=True,
)
def test_texts_and_tables_are_quantised_by_the_tasks_own_quality(project: Paths) -> None:
    metrics = run(LENIENT, project)
    task = TASKS[read_bundle(project.trained_dir).spec.task]
    assert metrics["passed"] == 1
    assert metrics["num_candidates"] == 4
    told = choice(project)
    assert all("reasons" in found and "could not" not in str(found["reasons"]) for found in told["candidates"])  # type: ignore[attr-defined]
    val = open_arrays(project.normalized_dir / "val")
    kept = OnnxModel(project.quantized_dir / "model.onnx").predict(val.inputs)
    assert metrics[f"int8_{task.quality}"] == task.score(kept, val.targets) > 0.7
    assert metrics["loss"] == pytest.approx(metrics[f"fp32_{task.quality}"] - metrics[f"int8_{task.quality}"])
    assert 0.9 < metrics["agreement"] <= 1
    assert task.quality in told["fp32"]  # type: ignore[operator]
