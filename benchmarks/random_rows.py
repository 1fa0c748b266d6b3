"""Projects of random rows in the shape of real datasets; training speed does not depend on the content."""

from pathlib import Path

import numpy as np

from headrace.contracts import Spec
from headrace.storage import arrays, atomic

SHAPES = {"000": [28, 28, 1], "001": [28, 28, 1], "003": [32, 32, 3]}
"""System of the papers -> height, width, channels."""
NETWORKS = {
    "000": {"name": "cnn", "blocks": [32, "pool", 64, "pool"], "dense": [64]},
    "001": {"name": "cnn", "blocks": [32, "pool", 64, "pool", 64], "dense": [64]},
    "003": {"name": "cnn", "blocks": [32, "pool", 64, "pool", 64], "dense": [64]},
}
NUM_CLASSES = 10


def write_random_rows(folder: Path, shape: list[int], *, num_train: int, num_val: int) -> Path:
    """Writes `data/normalized` of project `folder` and returns its path."""
    rng = np.random.default_rng(0)
    normalized, channels = folder / "data" / "normalized", shape[-1]
    for split, num_rows in (("train", num_train), ("val", num_val)):
        split_arrays = arrays.create_arrays(normalized / split, num_rows=num_rows, input_shape=shape)
        for start in range(0, num_rows, 10_000):
            chunk = split_arrays.inputs[start : start + 10_000]
            chunk[:] = rng.integers(0, 256, chunk.shape, dtype=np.uint8)
        split_arrays.targets[:] = rng.integers(0, NUM_CLASSES, num_rows)
    transform = {"input_shape": shape, "mean": [0.13] * channels, "std": [0.31] * channels, "resize": "pad"}
    atomic.write_json(normalized / "transform.json", transform)
    spec = Spec(
        modality="image", task="classification", source="bench", format="bench", num_rows=num_train + num_val,
        classes=[str(index) for index in range(NUM_CLASSES)], input_shape=shape,
    )  # fmt: skip
    atomic.write_text(normalized / "spec.json", spec.to_json())
    return normalized


def train_settings(system: str, *, batch_size: int, max_epochs: int, num_workers: int) -> dict:
    """Returns section `train` for the papers' settings: Adam with a constant rate of 1e-3, no early stopping."""
    return {
        "model": NETWORKS[system],
        "batch_size": batch_size,
        "max_epochs": max_epochs,
        "num_workers": num_workers,
        "schedule": "constant",
        "early_stopping": {"patience": 0},
    }
