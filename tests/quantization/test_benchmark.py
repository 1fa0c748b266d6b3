import shutil
from pathlib import Path

import numpy as np
import pytest

from headrace.errors import DataError
from headrace.evaluation.metrics.classification import accuracy, agreement
from headrace.paths import Paths
from headrace.quantization import benchmark
from headrace.storage.arrays import open_arrays


def test_measure_graphs_measures_quality_size_time_and_memory(trained: Paths, tmp_path: Path) -> None:
    graph = trained.trained_dir / "model.onnx"
    twin = Path(shutil.copy(graph, tmp_path / "twin.onnx"))
    val = open_arrays(trained.normalized_dir / "val")
    measured = benchmark.measure_graphs(
        {"fp32": graph, "twin": twin}, val, score=accuracy, agreement=agreement, reference="fp32"
    )
    assert measured["fp32"].quality == measured["twin"].quality > 0.8
    assert measured["twin"].agreement == 1
    assert measured["twin"].bytes == graph.stat().st_size
    for metrics in measured.values():
        assert metrics.latency_ms > 0
        assert metrics.batch64_ms > 0
        assert 0 < metrics.memory_mb < 500


def test_repeat_rows_fills_a_batch_from_few_rows() -> None:
    rows = np.arange(3, dtype=np.uint8).reshape(3, 1)
    assert benchmark.repeat_rows(rows, 7).ravel().tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert benchmark.repeat_rows(rows, 2).ravel().tolist() == [0, 1]


def test_measure_latencies_ms_takes_turns_and_ignores_first_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    clock = iter(range(10_000))

    class Fake:
        def __init__(self, name: str) -> None:
            self.name = name

        def run(self, inputs: object) -> None:  # noqa: ARG002
            calls.append(self.name)

    monkeypatch.setattr(benchmark, "perf_counter", lambda: float(next(clock)))
    models = {"a": Fake("a"), "b": Fake("b")}
    latencies = benchmark.measure_latencies_ms(models, np.zeros((1, 1), np.uint8))  # type: ignore[arg-type]
    assert latencies == {"a": 1000, "b": 1000}
    turn = benchmark.CALLS_PER_ROUND + 1
    assert calls == (["a"] * turn + ["b"] * turn) * benchmark.MIN_ROUNDS


def test_measure_memory_mb_of_an_invalid_graph_raises(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot run in a separate process"):
        benchmark.measure_memory_mb({"int8": tmp_path / "model.onnx"}, np.zeros((2, 2, 1), np.uint8))
