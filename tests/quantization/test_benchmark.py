import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from headrace.errors import DataError
from headrace.paths import Paths
from headrace.quantization import benchmark
from headrace.storage.arrays import open_arrays


def test_measure_graphs_measures_size_time_and_memory(trained: Paths, tmp_path: Path) -> None:
    graph = trained.trained_dir / "model.onnx"
    twin = Path(shutil.copy(graph, tmp_path / "twin.onnx"))
    val = open_arrays(trained.normalized_dir / "val")
    measured = benchmark.measure_graphs({"fp32": graph, "twin": twin}, val, reference="fp32")
    assert measured["twin"].bytes == graph.stat().st_size
    assert measured["fp32"].latency_ratio == (1, 1, 1)
    for metrics in measured.values():
        assert metrics.latency_ms > 0
        assert metrics.batch64_ms > 0
        assert 0 < metrics.memory_mb < 500
        assert 0 < metrics.latency_ratio.low <= metrics.latency_ratio.value <= metrics.latency_ratio.high


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=100))
def test_interval_of_a_ratio_holds_its_median(ratios: list[float]) -> None:
    interval = benchmark.median_ratio(np.array(ratios), np.ones(len(ratios)))
    assert min(ratios) <= interval.low <= interval.value <= interval.high <= max(ratios)


def test_interval_of_a_ratio_is_that_of_the_binomial_distribution() -> None:
    interval = benchmark.median_ratio(np.arange(1, 101) / 100, np.ones(100))
    low, high = (round(end * 100) for end in interval[1:])
    # the true median lies between the two order statistics unless at most low - 1 or at least high draws are below it
    assert binom.cdf(low - 1, 100, 0.5) + binom.sf(high - 1, 100, 0.5) < 0.01


def test_description_of_the_machine_has_what_times_depend_on() -> None:
    machine = benchmark.describe_machine(num_threads=3)
    assert machine["threads"] == 3
    assert benchmark.describe_machine()["threads"] == machine["cores"]
    assert machine["processor"]
    assert machine["cores"] >= 1
    assert isinstance(machine["features"], list)


def test_repeat_rows_fills_a_batch_from_few_rows() -> None:
    rows = np.arange(3, dtype=np.uint8).reshape(3, 1)
    assert benchmark.repeat_rows(rows, 7).ravel().tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert benchmark.repeat_rows(rows, 2).ravel().tolist() == [0, 1]


@pytest.mark.parametrize(("seconds", "turn"), [(1 / 64, benchmark.CALLS_PER_ROUND + 1), (1.0, 1)], ids=["fast", "slow"])
def test_measure_latencies_ms_takes_turns_and_ignores_first_calls_unless_they_are_slow(
    monkeypatch: pytest.MonkeyPatch, seconds: float, turn: int
) -> None:
    calls: list[str] = []
    clock = iter(range(10_000))

    class Fake:
        def __init__(self, name: str) -> None:
            self.name = name

        def run(self, inputs: object) -> None:  # noqa: ARG002
            calls.append(self.name)

    monkeypatch.setattr(benchmark, "perf_counter", lambda: next(clock) * seconds)
    models = {"a": Fake("a"), "b": Fake("b")}
    latencies = benchmark.measure_latencies_ms(models, np.zeros((1, 1), np.uint8))  # type: ignore[arg-type]
    assert {name: values.tolist() for name, values in latencies.items()} == dict.fromkeys(
        "ab", [1000 * seconds] * benchmark.MIN_ROUNDS
    )
    assert calls == (["a"] * turn + ["b"] * turn) * benchmark.MIN_ROUNDS


def test_measure_memory_mb_of_an_invalid_graph_raises(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot run in a separate process"):
        benchmark.measure_memory_mb({"int8": tmp_path / "model.onnx"}, np.zeros((2, 2, 1), np.uint8))
