"""Times a trained project's int8 graph, float32 graph and eager network in turns; prints JSON.

Usage: python int8_program.py PROJECT BATCH_SIZE NUM_THREADS NUM_ROUNDS
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from headrace.models.network import load_network
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import GRAPH, read_bundle
from headrace.storage.onnx_model import OnnxModel

CALLS_PER_ROUND = 5


def main(project: str, batch_size: str, num_threads: str, num_rounds: str) -> None:
    folder, threads = Path(project), int(num_threads)
    torch.set_num_threads(threads)
    bundle = read_bundle(folder / "models" / "trained")
    network = load_network(bundle).eval()
    rows = np.array(open_arrays(folder / "data" / "normalized" / "val").inputs[: int(batch_size)])
    tensor = torch.from_numpy(rows)
    graphs = {
        "int8": OnnxModel(folder / "models" / "quantized" / GRAPH, threads),
        "onnxruntime": OnnxModel(bundle.folder / GRAPH, threads),
    }
    programs: dict[str, Callable[[], object]] = {
        **{name: lambda graph=graph: graph.run(rows) for name, graph in graphs.items()},
        "pytorch": lambda: network(tensor),
    }
    times: dict[str, list[float]] = {name: [] for name in programs}
    with torch.inference_mode():
        for _ in range(int(num_rounds)):
            for name, call in programs.items():
                call()  # the threads of the previous program are still spinning
                times[name].append(1e3 * statistics.median(time_call(call) for _ in range(CALLS_PER_ROUND)))
    print(json.dumps(times))


def time_call(call: Callable[[], object]) -> float:
    """Returns the seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
