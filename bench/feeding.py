"""Rows a second that the data module alone hands to one training, 32 x 32 pixels in colour.

Seconds are those that one core worked, so that other programs on the machine do not count.
Bars: 200,000 without augmentation and 20,000 with flip and shift, a core. Run by `make bench`, or alone:
OMP_NUM_THREADS=1 python bench/feeding.py.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from pipeline.learning.data import Batches
from pipeline.learning.order import Order
from pipeline.modalities.image.augment import ImageAugmenter
from pipeline.storage import arrays

NUM_ROWS, BATCH_SIZE, NUM_RUNS = 12_800, 128, 5
FLIP_AND_SHIFT = [
    {"name": "HorizontalFlip", "p": 0.5},
    {"name": "Affine", "translate_percent": [-0.125, 0.125], "p": 1.0},
]


def prepare(folder: Path) -> None:
    """Writes rows drawn at random, in the shape of CIFAR-10."""
    rng = np.random.default_rng(0)
    made = arrays.create(folder, num_rows=NUM_ROWS, input_shape=[32, 32, 3])
    made.inputs[:] = rng.integers(0, 256, made.inputs.shape, dtype=np.uint8)
    made.targets[:] = rng.integers(0, 10, NUM_ROWS)


def feeding(folder: Path, augmentation: list[dict]) -> float:
    """Rows a second of the data module, through the DataLoader as in a training."""
    augmenter = ImageAugmenter(augmentation, 0) if augmentation else None
    batches = Batches(arrays.open_arrays(folder), Order(NUM_ROWS, BATCH_SIZE, 0), augmenter)
    started = time.process_time()
    num_rows = sum(len(batch.targets) for batch in DataLoader(batches, batch_size=None))
    return num_rows / (time.process_time() - started)


def per_sample(folder: Path) -> float:
    """Rows a second of a DataLoader that fetches row by row."""
    train = arrays.open_arrays(folder)
    rows = [(torch.from_numpy(np.array(train.inputs[row])), int(train.targets[row])) for row in range(NUM_ROWS)]
    started = time.process_time()
    num_rows = sum(len(targets) for _, targets in DataLoader(rows, batch_size=BATCH_SIZE, shuffle=True))
    return num_rows / (time.process_time() - started)


def main() -> None:
    """Prints both rates, medians of alternating runs."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "train"
        prepare(folder)
        runs = [(feeding(folder, []), feeding(folder, FLIP_AND_SHIFT)) for _ in range(NUM_RUNS)]
    for name, rates in zip(("off", "flip and shift"), zip(*runs, strict=True), strict=True):
        print(f"feeding, augmentation {name:<16}{statistics.median(rates):>12,.0f} rows/s")


if __name__ == "__main__":
    main()
