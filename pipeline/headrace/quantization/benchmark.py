"""Benchmark of graphs on this machine: size, latency, memory and quality."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.errors import DataError
from headrace.storage.arrays import Arrays, Inputs
from headrace.storage.onnx_model import OnnxModel

Score: TypeAlias = "Callable[[NDArray[np.float32], NDArray[Any]], float]"
"""Outputs `[rows, outputs]`, and targets or the outputs of another graph -> a score, 1 at best."""
LARGE_BATCH_SIZE = 64
SECONDS_PER_BATCH_SIZE = 1.0
MIN_ROUNDS, MAX_ROUNDS, CALLS_PER_ROUND = 5, 100, 5

# Runs in a fresh process with little else in memory, and each graph in a fork of it, made before onnxruntime is
# imported: importing NumPy takes longer than all the rest. Resident size is read after the calls, since the arena never
# returns its peak.
MEMORY_SCRIPT = """
import os, sys, numpy, psutil

def measure(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    process = psutil.Process()
    before = process.memory_info().rss
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for _ in range(3):
        session.run(None, {session.get_inputs()[0].name: rows})
    print(process.memory_info().rss - before, flush=True)

rows = numpy.zeros([int(size) for size in sys.argv[1].split(",")], sys.argv[2])
for path in sys.argv[3:]:
    if os.fork() == 0:
        measure(path)
        sys.exit()
    code = os.waitstatus_to_exitcode(os.wait()[1])
    if code:
        sys.exit(abs(code))
"""


class CandidateMetrics(NamedTuple):
    """Measurements of one graph."""

    quality: float
    """The task's quality metric on validation rows: accuracy or micro F1 in [0, 1], or R2 (at most 1)."""
    agreement: float
    """Agreement with fp32 on validation rows: fraction of equal classes or labels, or R2."""
    bytes: int
    """Size of the file."""
    latency_ms: float
    """Median time of one row."""
    batch64_ms: float
    """Median time of 64 rows in one call."""
    memory_mb: float
    """Resident memory (10^6 bytes) that a session adds to a process after calls of 64 rows."""

    def to_dict(self, quality: str) -> dict[str, float | int]:
        """The measurements by name; `quality` is the name of the quality metric."""
        return {quality if name == "quality" else name: value for name, value in self._asdict().items()}


def measure_graphs(
    graph_paths: dict[str, Path], arrays: Arrays, *, score: Score, agreement: Score, reference: str
) -> dict[str, CandidateMetrics]:
    """Measures every graph on the rows of `arrays`; agreement is with the graph named `reference`."""
    models = {name: OnnxModel(path) for name, path in graph_paths.items()}
    outputs = {name: model.predict(arrays.inputs) for name, model in models.items()}
    single_row, batch = (repeat_rows(arrays.inputs, size) for size in (1, LARGE_BATCH_SIZE))
    latency_ms, batch_ms = measure_latencies_ms(models, single_row), measure_latencies_ms(models, batch)
    memory_mb = measure_memory_mb(graph_paths, batch)
    return {
        name: CandidateMetrics(
            quality=score(outputs[name], arrays.targets),
            agreement=agreement(outputs[name], outputs[reference]),
            bytes=path.stat().st_size,
            latency_ms=latency_ms[name],
            batch64_ms=batch_ms[name],
            memory_mb=memory_mb[name],
        )
        for name, path in graph_paths.items()
    }


def repeat_rows(inputs: Inputs, num_rows: int) -> NDArray[Any]:
    """The first `num_rows` rows, repeated if there are fewer."""
    return np.ascontiguousarray(inputs[np.arange(num_rows) % len(inputs)])


def measure_latencies_ms(models: dict[str, OnnxModel], inputs: NDArray[Any]) -> dict[str, float]:
    """Median time of a call in ms, with the same number of threads for all models.

    The models take turns, so that other load on the machine affects all of them. The first call of a turn is not
    counted, because the threads of the previous model are still spinning.
    """
    times: dict[str, list[float]] = {name: [] for name in models}
    end = perf_counter() + SECONDS_PER_BATCH_SIZE
    for index in range(MAX_ROUNDS):
        if index >= MIN_ROUNDS and perf_counter() > end:
            break
        for name, model in models.items():
            model.run(inputs)
            for _ in range(CALLS_PER_ROUND):
                start = perf_counter()
                model.run(inputs)
                times[name].append(perf_counter() - start)
    return {name: median(seconds) * 1e3 for name, seconds in times.items()}


def measure_memory_mb(graph_paths: dict[str, Path], inputs: NDArray[Any]) -> dict[str, float]:
    """Resident memory (10^6 bytes) that a session of each graph adds to a process; raises DataError if one cannot run.

    Its input is zeros of the shape and type of `inputs`.
    """
    shape = ",".join(map(str, inputs.shape))
    command = [sys.executable, "-c", MEMORY_SCRIPT, shape, inputs.dtype.str, *map(str, graph_paths.values())]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    sizes = list(map(int, process.stdout.split()))
    if process.returncode:
        reason = (process.stderr.strip() or f"exit code {process.returncode}").splitlines()[-1][:200]
        path = list(graph_paths.values())[len(sizes)]
        raise DataError(f"{path}: cannot run in a separate process ({reason}); free some memory")
    return {name: max(0, size) / 1e6 for name, size in zip(graph_paths, sizes, strict=True)}
