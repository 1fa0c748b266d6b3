"""Digits with known faults: broken files, exact copies, near copies, flipped labels."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from headrace.data.image.reading.packaged_digits import load_mnist5k_table

NUM_BROKEN, NUM_EXACT, NUM_NEAR, NUM_FLIPPED = 20, 50, 50, 100


def plant(folder: Path, seed: int = 0) -> dict:
    """Writes a folder of images by class; returns the paths of what is wrong in it, by kind."""
    rng = np.random.default_rng(seed)
    table = load_mnist5k_table()
    order = rng.permutation(len(table))
    copied, flipped = order[: NUM_EXACT + NUM_NEAR], order[-NUM_FLIPPED:]
    truth: dict = {"broken": set(), "exact": {}, "near": {}, "flipped": set()}
    labels = table[:, -1].astype(int)
    labels[flipped] = (labels[flipped] + rng.integers(1, 10, NUM_FLIPPED)) % 10
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
    for row, (pixels, label) in enumerate(zip(table[:, :-1].reshape(-1, 28, 28), labels.tolist(), strict=True)):
        path = f"{label}/{row:05d}.png"
        Image.fromarray(pixels).save(folder / path)
        if row in flipped:
            truth["flipped"].add(path)
    for index, row in enumerate(copied.tolist()):
        image, label = Image.open(folder / f"{labels[row]}/{row:05d}.png"), labels[row]
        original = f"{label}/{row:05d}.png"
        if index < NUM_EXACT:
            image.save(folder / f"{label}/copy-{row:05d}.png")
            truth["exact"][f"{label}/copy-{row:05d}.png"] = original
        elif index % 2:
            image.save(folder / f"{label}/near-{row:05d}.jpg", quality=60)
            truth["near"][f"{label}/near-{row:05d}.jpg"] = original
        else:
            shift = tuple(rng.choice([-1, 1], 2).tolist())
            Image.fromarray(np.roll(np.asarray(image), shift, (0, 1))).save(folder / f"{label}/near-{row:05d}.png")
            truth["near"][f"{label}/near-{row:05d}.png"] = original
    for index in range(NUM_BROKEN):
        buffer = io.BytesIO()
        Image.fromarray(table[order[200 + index], :-1].reshape(28, 28)).save(buffer, "PNG")
        path = f"{index % 10}/broken-{index:02d}.png"
        cut = buffer.getvalue()[: len(buffer.getvalue()) // 2] if index % 2 else rng.bytes(300)
        (folder / path).write_bytes(cut)
        truth["broken"].add(path)
    return truth
