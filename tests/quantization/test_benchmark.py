import shutil
from pathlib import Path

import numpy as np
import pytest

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.quantization import benchmark as measuring
from headrace.storage.arrays import open_arrays
from headrace.tasks import TASKS


def test_measure_tells_quality_size_time_and_memory(trained: Paths, tmp_path: Path) -> None:
    graph = trained.trained_dir / "model.onnx"
    twin = Path(shutil.copy(graph, tmp_path / "twin.onnx"))
    val = open_arrays(trained.normalized_dir / "val")
    figures = measuring.measure({"fp32": graph, "twin": twin}, val, TASKS["classification"], reference="fp32")
    assert figures["fp32"].quality == figures["twin"].quality > 0.8
    assert figures["twin"].agreement == 1
    assert figures["twin"].bytes == graph.stat().st_size
    for found in figures.values():
        assert found.latency_ms > 0
        assert found.batch64_ms > 0
        assert 0 < found.memory_mb < 500


def test_repeated_fills_a_batch_from_few_rows() -> None:
    rows = np.arange(3, dtype=np.uint8).reshape(3, 1)
    assert measuring.repeated(rows, 7).ravel().tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert measuring.repeated(rows, 2).ravel().tolist() == [0, 1]


def test_models_take_turns_and_their_first_calls_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    clock = iter(range(10_000))

    class Fake:
        def __init__(self, name: str) -> None:
            self.name = name

        def run(self, inputs: object) -> None:  # noqa: ARG002
            calls.append(self.name)

    monkeypatch.setattr(measuring, "perf_counter", lambda: float(next(clock)))
    models = {"a": Fake("a"), "b": Fake("b")}
    found = measuring.latencies_ms(models, np.zeros((1, 1), np.uint8))  # type: ignore[arg-type]
    assert found == {"a": 1000, "b": 1000}
    turn = measuring.CALLS_PER_ROUND + 1
    assert calls == (["a"] * turn + ["b"] * turn) * measuring.MIN_ROUNDS


def test_memory_of_a_graph_that_does_not_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="does not run in a process of its own"):
        measuring.memory_mb(tmp_path / "model.onnx", np.zeros((2, 2, 1), np.uint8))
