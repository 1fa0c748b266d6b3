"""Measuring: size, latency, memory and quality of graphs, side by side on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.errors import DataError
from headrace.storage.arrays import Arrays, Inputs
from headrace.storage.onnx_model import OnnxModel
from headrace.tasks import Task

LARGE_BATCH_SIZE = 64
SECONDS_PER_BATCH_SIZE = 1.0
MIN_ROUNDS, MAX_ROUNDS, CALLS_PER_ROUND = 5, 100, 5

# A fresh process: what a session adds to one that has imported ONNX Runtime, with as little else as possible. Resident
# size after running, since the arena keeps what it took at its peak.
MEMORY_SCRIPT = """
import sys, numpy, psutil, onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
rows, process = numpy.zeros([int(size) for size in sys.argv[2].split(",")], sys.argv[3]), psutil.Process()
before = process.memory_info().rss
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
for _ in range(3):
    session.run(None, {session.get_inputs()[0].name: rows})
print(process.memory_info().rss - before)
"""


class Figures(NamedTuple):
    """What was measured of one graph."""

    quality: float
    """The task's score on validation rows: accuracy in [0, 1], or R2 (at most 1)."""
    agreement: float
    """With fp32 on validation rows: share of the same class, or R2."""
    bytes: int
    """Size of the file."""
    latency_ms: float
    """Median time of one row."""
    batch64_ms: float
    """Median time of 64 rows in one call."""
    memory_mb: float
    """Resident memory (10^6 bytes) that a session adds to a process after calls of 64 rows."""

    def named(self, quality: str) -> dict[str, float | int]:
        """By name; quality under the task's name of it."""
        return {quality if name == "quality" else name: value for name, value in self._asdict().items()}


def measure(graph_paths: dict[str, Path], arrays: Arrays, task: Task, *, reference: str) -> dict[str, Figures]:
    """Measures every graph on the rows of `arrays`; agreement is with the one named `reference`."""
    models = {name: OnnxModel(path) for name, path in graph_paths.items()}
    outputs = {name: model.predict(arrays.inputs) for name, model in models.items()}
    one, many = (repeated(arrays.inputs, size) for size in (1, LARGE_BATCH_SIZE))
    small, large = latencies_ms(models, one), latencies_ms(models, many)
    return {
        name: Figures(
            quality=task.score(outputs[name], arrays.targets),
            agreement=task.agreement(outputs[name], outputs[reference]),
            bytes=path.stat().st_size,
            latency_ms=small[name],
            batch64_ms=large[name],
            memory_mb=memory_mb(path, many),
        )
        for name, path in graph_paths.items()
    }


def repeated(inputs: Inputs, num_rows: int) -> NDArray[Any]:
    """The first rows, over again when there are too few."""
    return np.ascontiguousarray(inputs[np.arange(num_rows) % len(inputs)])


def latencies_ms(models: dict[str, OnnxModel], inputs: NDArray[Any]) -> dict[str, float]:
    """Median time of a call, in ms, by the same number of threads for all.

    The models take turns, so that what else the machine does hits all of them; the first call of a turn is not
    counted: the threads of the model before it are still spinning.
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
    return {name: median(found) * 1e3 for name, found in times.items()}


def memory_mb(graph_path: Path, inputs: NDArray[Any]) -> float:
    """Resident memory (10^6 bytes) that a session adds to a fresh process; raises DataError when it cannot run.

    It is given zeros of the shape and kind of `inputs`.
    """
    shape = ",".join(map(str, inputs.shape))
    command = [sys.executable, "-c", MEMORY_SCRIPT, str(graph_path), shape, inputs.dtype.str]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1][:200]
        raise DataError(f"{graph_path}: does not run in a process of its own ({reason}); free some memory")
    return max(0, int(done.stdout)) / 1e6
