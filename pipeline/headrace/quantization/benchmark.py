"""Benchmark of graphs on this machine: size, latency, memory and quality."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.errors import DataError
from headrace.storage.arrays import Arrays, Inputs
from headrace.storage.onnx_model import OnnxModel, count_threads

LARGE_BATCH_SIZE = 64
SECONDS_PER_BATCH_SIZE = 1.0
MIN_ROUNDS, MAX_ROUNDS, CALLS_PER_ROUND = 9, 100, 5
SLOW_CALL_S = 0.1
"""A call that takes longer is made once a round: threads that still spin for some ms hardly change it, and 64 photos of
224 pixels would take minutes."""
FEATURES = ("avx2", "avx512", "avx_vnni", "amx", "asimddp", "i8mm", "sve")
Z_99 = 2.576
"""The 99 % point (two-sided) of the standard normal distribution."""

# Runs in a fresh process with little else in memory, and each graph in a fork of it, made before onnxruntime is
# imported: importing NumPy takes longer than all the rest. Resident size is read after the calls, since the arena never
# returns its peak.
MEMORY_SCRIPT = """
import os, sys, numpy, psutil

def measure(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = int(sys.argv[3])
    process = psutil.Process()
    before = process.memory_info().rss
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for _ in range(3):
        session.run(None, {session.get_inputs()[0].name: rows})
    print(process.memory_info().rss - before, flush=True)

rows = numpy.zeros([int(size) for size in sys.argv[1].split(",")], sys.argv[2])
for path in sys.argv[4:]:
    if os.fork() == 0:
        measure(path)
        sys.exit()
    code = os.waitstatus_to_exitcode(os.wait()[1])
    if code:
        sys.exit(abs(code))
"""


class Interval(NamedTuple):
    """A value, and the ends of its interval."""

    value: float
    low: float
    high: float


class GraphMetrics(NamedTuple):
    """Measurements of one graph on this machine."""

    bytes: int
    """Size of the file."""
    latency_ms: float
    """Median time of one row."""
    batch64_ms: float
    """Median time of 64 rows in one call."""
    latency_ratio: Interval
    """Multiple of the reference's time, measured in the same rounds: the mean of the ratios at 1 row and at 64."""
    memory_mb: float
    """Resident memory (10^6 bytes) that a session adds to a process after calls of 64 rows."""


def measure_graphs(
    graph_paths: dict[str, Path], arrays: Arrays, *, reference: str, num_threads: int = 0
) -> dict[str, GraphMetrics]:
    """Measures every graph on the rows of `arrays`; ratios are to the graph named `reference`.

    `num_threads` 0 uses every core.
    """
    models = {name: OnnxModel(path, num_threads) for name, path in graph_paths.items()}
    single_row, batch = (repeat_rows(arrays.inputs, size) for size in (1, LARGE_BATCH_SIZE))
    single_ms, batch_ms = measure_latencies_ms(models, single_row), measure_latencies_ms(models, batch)
    memory_mb = measure_memory_mb(graph_paths, batch, num_threads=num_threads)
    return {
        name: GraphMetrics(
            bytes=path.stat().st_size,
            latency_ms=float(np.median(single_ms[name])),
            batch64_ms=float(np.median(batch_ms[name])),
            latency_ratio=_mean(*(median_ratio(times[name], times[reference]) for times in (single_ms, batch_ms))),
            memory_mb=memory_mb[name],
        )
        for name, path in graph_paths.items()
    }


def describe_machine(num_threads: int = 0) -> Json:
    """Returns what times depend on: processor, its instructions for 8 bits, cores, threads, present load."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    entries = dict(line.split(":", 1) for line in lines if ":" in line)
    values = {name.strip(): value.strip() for name, value in entries.items()}
    flags = values.get("flags", values.get("Features", "")).split()
    return {
        "processor": values.get("model name", platform.machine()),
        "features": [flag for flag in flags if flag.startswith(FEATURES)],
        "cores": os.cpu_count() or 1,
        "threads": count_threads(num_threads),
        "load": os.getloadavg()[0],
    }


def median_ratio(times: NDArray[np.float64], reference: NDArray[np.float64]) -> Interval:
    """Median of the ratios of two series, and its 99 % interval from order statistics.

    Conover (1999), Practical Nonparametric Statistics, section 3.2, by the normal approximation.
    """
    ratios = np.sort(times / reference)
    half = Z_99 * len(ratios) ** 0.5 / 2
    low, high = int(len(ratios) / 2 - half), int(np.ceil(len(ratios) / 2 + half))
    return Interval(float(np.median(ratios)), float(ratios[max(low, 0)]), float(ratios[min(high, len(ratios) - 1)]))


def _mean(first: Interval, second: Interval) -> Interval:
    return Interval(*((a + b) / 2 for a, b in zip(first, second, strict=True)))


def repeat_rows(inputs: Inputs, num_rows: int) -> NDArray[Any]:
    """The first `num_rows` rows, repeated if there are fewer."""
    return np.ascontiguousarray(inputs[np.arange(num_rows) % len(inputs)])


def measure_latencies_ms(models: dict[str, OnnxModel], inputs: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Median time of a call in ms, by model and round `[rounds]`, with the same number of threads for all models.

    The models take turns in every round, so that other load on the machine affects all of them. The first call of a
    turn is not counted, because the threads of the previous model are still spinning, unless it is slow.
    """
    times: dict[str, list[float]] = {name: [] for name in models}
    end = perf_counter() + SECONDS_PER_BATCH_SIZE
    for index in range(MAX_ROUNDS):
        if index >= MIN_ROUNDS and perf_counter() > end:
            break
        for name, model in models.items():
            first = _time_call(model, inputs)
            is_slow = first > SLOW_CALL_S
            times[name].append(first if is_slow else median(_time_call(model, inputs) for _ in range(CALLS_PER_ROUND)))
    return {name: np.array(rounds) * 1e3 for name, rounds in times.items()}


def _time_call(model: OnnxModel, inputs: NDArray[Any]) -> float:
    start = perf_counter()
    model.run(inputs)
    return perf_counter() - start


def measure_memory_mb(graph_paths: dict[str, Path], inputs: NDArray[Any], *, num_threads: int = 0) -> dict[str, float]:
    """Resident memory (10^6 bytes) that a session of each graph adds to a process; raises DataError if one cannot run.

    Its input is zeros of the shape and type of `inputs`.
    """
    arguments = [",".join(map(str, inputs.shape)), inputs.dtype.str, str(count_threads(num_threads))]
    command = [sys.executable, "-c", MEMORY_SCRIPT, *arguments, *map(str, graph_paths.values())]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    sizes = list(map(int, process.stdout.split()))
    if process.returncode:
        reason = (process.stderr.strip() or f"exit code {process.returncode}").splitlines()[-1][:200]
        path = list(graph_paths.values())[len(sizes)]
        raise DataError(f"{path}: cannot run in a separate process ({reason}); free some memory")
    return {name: max(0, size) / 1e6 for name, size in zip(graph_paths, sizes, strict=True)}
