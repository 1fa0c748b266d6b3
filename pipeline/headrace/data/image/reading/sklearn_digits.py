"""Small handwritten digits that scikit-learn ships: no network needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.contracts import OpenedSource
from headrace.data.image.reading.image_folder import opened
from headrace.data.image.reading.rows import batches, png, row_id
from headrace.data.sources.read_options import ReadOptions

WHITE = 16
"""Largest value of a pixel as it is shipped: how many of 4 x 4 finer ones are inked."""


def read_digits(path: Path, options: ReadOptions) -> OpenedSource:
    """1,797 handwritten digits of 8 x 8 pixels, grey; no path needed."""
    del path
    return opened("digits", _batches(), options)


def _batches() -> Iterator[pa.RecordBatch]:
    yield from batches(_rows())


def _rows() -> Iterator[dict[str, Any]]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / WHITE)).astype(np.uint8)
    seen: Counter[bytes] = Counter()
    for image, label in zip(images, map(str, digits.target.tolist()), strict=True):
        content = image.tobytes() + label.encode()
        yield {"row_id": row_id(content, seen[content]), "image": png(image), "label": label}
        seen[content] += 1
