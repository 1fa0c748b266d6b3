"""Figures side by side, alternating, medians of several runs. Writes bench/results.json; `make bench`.

Each row is a ratio of two programs in one run, so that the noise of the machine is the same for both. The rows are
drawn at random, in the shape of MNIST: what is measured is speed, which does not depend on them.
"""

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import feeding
import numpy as np
import torch
from torch import nn

from pipeline.contracts import Spec
from pipeline.learning.fit import FitJob, Place, fit, read_result
from pipeline.learning.settings import TrainSettings
from pipeline.modalities.network import build_network
from pipeline.storage import arrays, atomic

NUM_ROWS, BATCH_SIZE, NUM_RUNS = 12_800, 64, 3
TRANSFORM = {"input_shape": [28, 28, 1], "mean": [0.13], "std": [0.31], "resize": "pad"}
MODELS = {
    "system 000": {"name": "cnn", "blocks": [32, "pool", 64, "pool"], "dense": [64]},
    "system 001": {"name": "cnn", "blocks": [32, "pool", 64, "pool", 64], "dense": [64]},
}


def prepare(folder: Path) -> Spec:
    """Writes arrays of MNIST's shape."""
    rng = np.random.default_rng(0)
    spec = Spec(
        modality="image", task="classification", source="bench", format="bench", num_rows=NUM_ROWS,
        classes=[str(digit) for digit in range(10)], input_shape=[28, 28, 1],
    )  # fmt: skip
    for split, num_rows in (("train", NUM_ROWS), ("val", 512)):
        made = arrays.create(folder / split, num_rows=num_rows, input_shape=spec.input_shape)
        made.inputs[:] = rng.integers(0, 256, made.inputs.shape, dtype=np.uint8)
        made.targets[:] = rng.integers(0, 10, num_rows)
    atomic.write_json(folder / "transform.json", TRANSFORM)
    atomic.write_text(folder / "spec.json", spec.text())
    return spec


def ours(folder: Path, model: dict) -> float:
    """Samples a second of the worker loop, its second epoch."""
    settings = TrainSettings(model=model, max_epochs=2, batch_size=BATCH_SIZE, num_workers=0).model_dump()
    with tempfile.TemporaryDirectory() as work_dir:
        fit(FitJob(str(folder), work_dir, settings), lambda _: None, Place())
        return float(read_result(Path(work_dir))["history"][1]["samples_per_second"])


def by_hand(folder: Path, model: dict, spec: Spec) -> float:
    """Samples a second of a loop in bare PyTorch over rows in memory, its second epoch."""
    network = build_network(model, spec, TRANSFORM)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    train = arrays.open_arrays(folder / "train")
    inputs, targets = torch.from_numpy(np.array(train.inputs)), torch.from_numpy(np.array(train.targets))
    for _ in range(2):
        order, started = torch.randperm(NUM_ROWS), time.perf_counter()
        for start in range(0, NUM_ROWS, BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE]
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs[rows]), targets[rows]).backward()
            optimizer.step()
        seconds = time.perf_counter() - started
    return NUM_ROWS / seconds


def alternate(first: Callable[[], float], second: Callable[[], float]) -> dict[str, float]:
    """Medians of alternating runs, and their ratio."""
    pairs = [(first(), second()) for _ in range(NUM_RUNS)]
    ours_rate, theirs_rate = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {"headrace": ours_rate, "other": theirs_rate, "ratio": ours_rate / theirs_rate}


def main() -> None:
    """Measures and prints one table."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "normalized"
        spec = prepare(folder)
        rows = {
            f"training, {name}, samples/s, against a loop by hand": alternate(
                lambda model=model: ours(folder, model), lambda model=model: by_hand(folder, model, spec)
            )
            for name, model in MODELS.items()
        }
        colour = Path(scratch) / "colour"
        feeding.prepare(colour)
        rows["feeding, 32 x 32, rows/s, against a DataLoader row by row"] = alternate(
            lambda: feeding.feeding(colour, []), lambda: feeding.per_sample(colour)
        )
        rows["feeding with flip and shift, rows/s, against none"] = alternate(
            lambda: feeding.feeding(colour, feeding.FLIP_AND_SHIFT), lambda: feeding.feeding(colour, [])
        )
    machine = {"cores": os.cpu_count(), "platform": platform.platform(), "torch": torch.__version__}
    print(f"{'what':<62}{'headrace':>12}{'other':>12}{'ratio':>8}")
    for name, row in rows.items():
        print(f"{name:<62}{row['headrace']:>12,.0f}{row['other']:>12,.0f}{row['ratio']:>8.3g}")
    path = Path(__file__).parent / "results.json"
    atomic.write_json(path, {"machine": machine, "python": sys.version, "rows": rows})


if __name__ == "__main__":
    main()
