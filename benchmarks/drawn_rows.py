"""Projects of rows drawn at random, in the shape of real sets: speed does not depend on what they show."""

from pathlib import Path

import numpy as np

from headrace.contracts import Spec
from headrace.storage import arrays, atomic

SHAPES = {"000": [28, 28, 1], "001": [28, 28, 1], "003": [32, 32, 3]}
NETWORKS = {
    "000": {"name": "cnn", "blocks": [32, "pool", 64, "pool"], "dense": [64]},
    "001": {"name": "cnn", "blocks": [32, "pool", 64, "pool", 64], "dense": [64]},
    "003": {"name": "cnn", "blocks": [32, "pool", 64, "pool", 64], "dense": [64]},
}
"""Of the papers' systems."""
NUM_CLASSES = 10


def draw(folder: Path, shape: list[int], *, num_train: int, num_val: int) -> Path:
    """Writes `data/normalized` of project `folder` and returns it."""
    rng = np.random.default_rng(0)
    normalized, channels = folder / "data" / "normalized", shape[-1]
    for split, num_rows in (("train", num_train), ("val", num_val)):
        made = arrays.create(normalized / split, num_rows=num_rows, input_shape=shape)
        for start in range(0, num_rows, 10_000):
            part = made.inputs[start : start + 10_000]
            part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
        made.targets[:] = rng.integers(0, NUM_CLASSES, num_rows)
    transform = {"input_shape": shape, "mean": [0.13] * channels, "std": [0.31] * channels, "resize": "pad"}
    atomic.write_json(normalized / "transform.json", transform)
    spec = Spec(
        modality="image", task="classification", source="bench", format="bench", num_rows=num_train + num_val,
        classes=[str(index) for index in range(NUM_CLASSES)], input_shape=shape,
    )  # fmt: skip
    atomic.write_text(normalized / "spec.json", spec.text())
    return normalized


def train_settings(system: str, *, batch_size: int, max_epochs: int, num_workers: int) -> dict:
    """Section `train`: Adam at 1e-3 throughout, no early end, as the papers print it."""
    return {
        "model": NETWORKS[system],
        "batch_size": batch_size,
        "max_epochs": max_epochs,
        "num_workers": num_workers,
        "schedule": "constant",
        "early_stopping": {"patience": 0},
    }
