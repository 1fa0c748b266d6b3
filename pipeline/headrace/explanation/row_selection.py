"""Selection of the rows to show: mistakes, unsure and extreme answers, and others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.contracts import Json
from headrace.errors import DataError
from headrace.storage.arrays import Arrays

Floats = NDArray[np.float64]

RECORDED = ("row_id", "correct", "confidence", "wrong_share", "error")
"""Columns of the test predictions, some of each task."""
TEST_GROUP = "test_mistakes"
CLASS_GROUPS = ("wrong", "unsure", "right")
VALUE_GROUPS = ("furthest", "extreme", "others")


def sample_rows(num_rows: int, number: int, *, seed: int) -> NDArray[np.int64]:
    """Returns the sorted positions of at most `number` random rows."""
    return np.sort(np.random.default_rng(seed).choice(num_rows, min(number, num_rows), replace=False))


def spread_rows(num_rows: int, number: int) -> NDArray[np.int64]:
    """Returns at most `number` positions, evenly spaced."""
    return np.unique(np.linspace(0, num_rows - 1, min(number, num_rows)).astype(np.int64))


def scale_values(
    arrays: Arrays, outputs: NDArray[np.float32], explained: NDArray[np.int64], scale: Json
) -> tuple[Floats, Floats, Floats]:
    """Returns the values `[rows]` of the outputs `explained`, their errors, and the training targets' deviation.

    Values and errors of several targets are in their standard deviations, so that they can be compared.
    """
    values = outputs[np.arange(len(outputs)), explained].astype(np.float64)
    if arrays.targets.ndim == 1:
        return values, values - np.asarray(arrays.targets, np.float64), np.full(len(values), float(scale["std"]))
    targets = np.asarray(arrays.targets[np.arange(len(values)), explained], np.float64)
    mean, std = (np.array(scale[name])[explained] for name in ("mean", "std"))
    return (values - mean) / std, (values - targets) / std, std


def pick_class_examples(
    confidence: Floats, correct: NDArray[np.bool_], *, num_examples: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Picks rows by group, up to a third of `num_examples` each; no row twice.

    `wrong`: the most confident mistakes. `unsure`: the least confident right ones. `right`: a random sample of the
    others.
    """
    sizes = _thirds(num_examples)
    by_confidence = np.argsort(-confidence, kind="stable")
    wrong = by_confidence[~correct[by_confidence]][: sizes[0]]
    is_right = by_confidence[correct[by_confidence]]
    unsure = is_right[::-1][: sizes[1]]
    rest = is_right[: len(is_right) - len(unsure)]
    right = np.random.default_rng(seed).permutation(rest)[: sizes[2]]
    return dict(zip(CLASS_GROUPS, (wrong, unsure, right), strict=True))


def pick_test_mistakes(path: Path, row_ids: NDArray[np.bytes_], *, number: int) -> NDArray[np.int64]:
    """Returns the positions of the worst mistakes among the test rows, as `test` recorded them, the worst first.

    The wrong answers of the highest confidence; of several labels, the rows with most wrong ones; of values, the
    largest errors. Raises DataError if the file is missing, or of other rows.
    """
    try:
        names = pq.read_schema(path).names
        table = pq.read_table(path, columns=[name for name in RECORDED if name in names])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; run the stages before this one: dvc repro") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not Parquet ({error}); run: dvc repro --force test") from None
    if table["row_id"].to_pylist() != row_ids.astype(str).tolist():
        raise DataError(f"{path}: other rows than data/normalized/test; run: dvc repro --force test")
    if "correct" in table.column_names:
        badness = np.where(table["correct"].to_numpy(), 0, table["confidence"].to_numpy())
    else:
        badness = np.abs(table["wrong_share" if "wrong_share" in table.column_names else "error"].to_numpy())
    worst = np.argsort(-badness, kind="stable")[:number]
    return np.asarray(worst[badness[worst] > 0], np.int64)


def pick_value_examples(
    values: Floats, errors: Floats, *, num_examples: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Picks rows of a regression by group, up to a third of `num_examples` each; no row twice.

    `furthest`: the largest errors. `extreme`: of the rest, predictions furthest from their median. `others`: a random
    sample of the rest.
    """
    sizes = _thirds(num_examples)
    furthest, rest = np.split(np.argsort(-np.abs(errors), kind="stable"), [sizes[0]])
    distance = np.abs(values - np.median(values))
    extreme, rest = np.split(rest[np.argsort(-distance[rest], kind="stable")], [sizes[1]])
    others = np.random.default_rng(seed).permutation(np.sort(rest))[: sizes[2]]
    return dict(zip(VALUE_GROUPS, (furthest, extreme, others), strict=True))


def _thirds(num_examples: int) -> list[int]:
    return [len(part) for part in np.array_split(np.arange(num_examples), len(CLASS_GROUPS))]
