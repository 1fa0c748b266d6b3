"""A digits dataset with known errors: broken files, exact copies, near-duplicates, flipped labels."""

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from headrace.data.image.reading.packaged_digits import load_mnist5k_table

NUM_ROWS = 5_000
NUM_BROKEN, NUM_EXACT, NUM_NEAR, NUM_FLIPPED = 20, 50, 50, 100


@dataclass
class PlantedErrors:
    """Paths of the images with errors, relative to the dataset folder."""

    broken: set[str] = field(default_factory=set)
    exact: dict[str, str] = field(default_factory=dict)
    """Copy -> original."""
    near: dict[str, str] = field(default_factory=dict)
    """Near-duplicate -> original."""
    flipped: set[str] = field(default_factory=set)


def write_digits_with_errors(folder: Path, seed: int = 0) -> PlantedErrors:
    """Writes a folder of images by class and returns its errors."""
    rng = np.random.default_rng(seed)
    table = load_mnist5k_table()
    order = rng.permutation(len(table))
    flipped_rows = order[-NUM_FLIPPED:]
    labels = table[:, -1].astype(int)
    labels[flipped_rows] = (labels[flipped_rows] + rng.integers(1, 10, NUM_FLIPPED)) % 10
    errors = PlantedErrors(flipped={_image_path(labels, row) for row in flipped_rows.tolist()})
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
    for row, pixels in enumerate(table[:, :-1].reshape(-1, 28, 28)):
        Image.fromarray(pixels).save(folder / _image_path(labels, row))
    for index, row in enumerate(order[: NUM_EXACT + NUM_NEAR].tolist()):
        original = _image_path(labels, row)
        image = Image.open(folder / original)
        if index < NUM_EXACT:
            copy = f"{labels[row]}/copy-{row:05d}.png"
            image.save(folder / copy)
            errors.exact[copy] = original
        elif index % 2:
            copy = f"{labels[row]}/near-{row:05d}.jpg"
            image.save(folder / copy, quality=60)
            errors.near[copy] = original
        else:
            copy = f"{labels[row]}/near-{row:05d}.png"
            shift = tuple(rng.choice([-1, 1], 2).tolist())
            Image.fromarray(np.roll(np.asarray(image), shift, (0, 1))).save(folder / copy)
            errors.near[copy] = original
    for index in range(NUM_BROKEN):
        buffer = io.BytesIO()
        Image.fromarray(table[order[200 + index], :-1].reshape(28, 28)).save(buffer, "PNG")
        path = f"{index % 10}/broken-{index:02d}.png"
        png = buffer.getvalue()
        (folder / path).write_bytes(png[: len(png) // 2] if index % 2 else rng.bytes(300))
        errors.broken.add(path)
    return errors


def _image_path(labels: np.ndarray, row: int) -> str:
    return f"{labels[row]}/{row:05d}.png"
