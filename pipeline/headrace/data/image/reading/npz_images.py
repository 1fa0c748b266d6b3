"""Images in `.npz` files: MedMNIST's and Keras' names, Kuzushiji's single arrays, and any `x` and `y`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.contracts import Assumption, OpenedSource, TaskName
from headrace.data.image.reading.rows import ContentIds, encode_png, open_image_source, to_record_batches
from headrace.data.sources.npz import NpzArray, NpzPair, list_npz_files, pair_arrays, read_blocks, read_whole
from headrace.data.sources.read_options import ReadOptions
from headrace.data.sources.row_source import SOURCE, format_index
from headrace.errors import DataError
from headrace.storage.label_codec import encode_names

GREY_DIMENSIONS, COLOUR_DIMENSIONS = 3, 4
CHANNELS = (1, 3)


def has_npz_images(path: Path, where: str) -> bool:
    """Whether a file or folder holds `.npz` arrays of more dimensions than a table has."""
    files = list_npz_files(path)
    return bool(files) and all(len(pair.inputs.shape) >= GREY_DIMENSIONS for pair in pair_arrays(files, where))


def read_npz(path: Path, options: ReadOptions) -> OpenedSource:
    """Images and labels of an `.npz` file or a folder of them; official splits follow from the names."""
    where = f"params.yaml: ingest.source: {options.source!r}"
    pairs = pair_arrays(list_npz_files(path), where)
    for pair in pairs:
        _check_images(pair.inputs)
    labels = [_get_labels(pair, where) for pair in pairs]
    task, assumptions = _find_task(labels)
    opened = open_image_source("npz", _read_batches(pairs, labels, task), options, task)
    return opened._replace(spec=opened.spec.model_copy(update={"assumptions": assumptions}))


def read_npz_images(path: Path, where: str) -> Iterator[tuple[NpzArray, NDArray[np.uint8]]]:
    """Yields blocks of images `[rows, height, width, channel]` without their labels."""
    for pair in pair_arrays(list_npz_files(path), where):
        _check_images(pair.inputs)
        for block in read_blocks(pair.inputs):
            pixels = _to_channels_last(block)
            yield pair.inputs, pixels[..., None] if pixels.ndim == GREY_DIMENSIONS else pixels


def _check_images(array: NpzArray) -> None:
    shape, is_image = array.shape, len(array.shape) == GREY_DIMENSIONS
    if len(shape) == COLOUR_DIMENSIONS:
        is_image = shape[3] in CHANNELS or shape[1] in CHANNELS
    if not is_image or array.dtype != np.uint8 or 0 in shape[1:]:
        raise DataError(
            f"{array.path}: {array.name!r} has the shape {list(shape)} and the type {array.dtype}; images must be uint8"
            " and [rows, height, width], or have 1 or 3 channels at the end; save it again"
        )


def _get_labels(pair: NpzPair, where: str) -> NpzArray:
    if pair.labels is None:
        raise DataError(f"{where}: {pair.inputs.place} has no labels; add an array named as it, with labels")
    return pair.labels


def _find_task(labels: Sequence[NpzArray]) -> tuple[TaskName, list[Assumption]]:
    """Multilabel for several columns of 0 and 1, unless each row has exactly one 1."""
    widths = {array.shape[1:] for array in labels}
    if widths <= {(), (1,)}:
        return "classification", []
    first = f"{labels[0].path}: {labels[0].name!r}"
    if len(widths) > 1 or any(len(width) > 1 for width in widths):
        raise DataError(f"{first} has the shape {list(labels[0].shape)}; labels must be [rows] or [rows, labels]")
    values = [read_whole(array) for array in labels]
    if any(not np.isin(each, (0, 1)).all() for each in values):
        raise DataError(f"{first} has several columns that are not 0 or 1; save one label for each row")
    is_one_hot = all((each.sum(axis=1) == 1).all() for each in values)
    text = "each row of the labels has one 1, whose place is the class" if is_one_hot else "each column is a label"
    setting = "none: save the labels as one number for each row" if is_one_hot else "none: save one label for each row"
    assumption = Assumption(stage="ingest", subject="labels", text=text, setting=setting)
    return ("classification" if is_one_hot else "multilabel"), [assumption]


def _read_batches(pairs: Sequence[NpzPair], labels: Sequence[NpzArray], task: TaskName) -> Iterator[pa.RecordBatch]:
    ids = ContentIds()
    for pair, array in zip(pairs, labels, strict=True):
        yield from to_record_batches(_read_rows(pair, _name_labels(array, task), ids))


def _read_rows(pair: NpzPair, labels: list[str], ids: ContentIds) -> Iterator[dict[str, Any]]:
    index = 0
    for block in read_blocks(pair.inputs):
        for image in _to_channels_last(block):
            pixels, label = image[..., 0] if image.shape[2:] == (1,) else image, labels[index]
            row = {"row_id": ids.next_id(pixels.tobytes(), label), "image": encode_png(pixels), "label": label}
            yield {**row, "split": pair.split, SOURCE: format_index(pair.inputs.place, index)}
            index += 1


def _name_labels(labels: NpzArray, task: TaskName) -> list[str]:
    values = read_whole(labels)
    if task == "multilabel":
        return [encode_names(map(str, np.flatnonzero(row).tolist())) for row in values]
    if values.ndim > 1:
        values = values.argmax(axis=1) if values.shape[1] > 1 else values[:, 0]
    if values.dtype.kind == "f":
        if not (values == np.round(values)).all():
            raise DataError(f"{labels.path}: {labels.name!r} has fractions; labels are classes; save them as integers")
        values = values.astype(np.int64)
    if values.dtype.kind == "S":
        return [value.decode("utf-8", "replace") for value in values.tolist()]
    return [str(value) for value in values.tolist()]


def _to_channels_last(block: NDArray[Any]) -> NDArray[np.uint8]:
    if block.ndim == COLOUR_DIMENSIONS and block.shape[3] not in CHANNELS:
        return np.ascontiguousarray(np.moveaxis(block, 1, 3))
    return block
