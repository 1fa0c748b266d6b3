"""Slices by the values of a column."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Json, Spec
from headrace.errors import ConfigError
from headrace.evaluation.gates.column_slices import list_columns, slice_by_column
from headrace.evaluation.predictions import Predictions
from headrace.storage.arrays import Arrays, write_columns
from tests.text_tables import make_text_table

NUMBER = {"kind": "numeric", "offset": 0.0, "unit": 1.0}
TRANSFORM: Json = {
    "inputs": [
        {"name": "sex", "column": "sex", "kind": "categorical", "num_values": 4},
        {"name": "deck", "column": "deck", "kind": "numeric"},
        {"name": "age", "column": "age", "kind": "numeric"},
    ],
    "columns": [
        {"name": "sex", "kind": "categorical", "values": ["female", "male"]},
        {"name": "deck", **NUMBER},
        {"name": "age", **NUMBER},
    ],
}
COLUMNS = [
    {"name": "sex", "kind": "categorical"},
    {"name": "deck", "kind": "numeric"},
    {"name": "age", "kind": "numeric"},
]


def table(**fields: Any) -> Predictions:
    """Sixty rows: two sexes and one missing, three decks and missing ones, sixty ages."""
    sex = np.r_[np.full(30, 2), np.full(29, 3), 1]
    deck = np.r_[np.repeat([1.0, 2.0, 3.0], 18), np.full(6, np.nan)]
    inputs = np.stack([sex, deck, np.arange(60.0)], axis=1).astype(np.float32)
    described = {"task": "classification", "target": "fate", "classes": ["lost", "saved"], **fields}
    spec = Spec(modality="table", source="x", format="table", num_rows=60, columns=COLUMNS, **described)
    targets = (np.arange(60) % 2).astype(np.int64 if spec.task == "classification" else np.float32)
    arrays = Arrays(inputs, targets, np.zeros(60, "S32"))
    return Predictions(arrays, np.zeros((60, 2), np.float32), lambda rows: rows, spec, TRANSFORM)


@pytest.mark.parametrize(
    ("column", "sizes"),
    [
        ("sex", {"female": 30, "male": 29, "missing": 1}),
        ("deck", {"1": 18, "2": 18, "3": 18, "missing": 6}),
        ("age", {"low": 20, "middle": 20, "high": 20}),
        ("class", {"lost": 30, "saved": 30}),
        ("fate", {"lost": 30, "saved": 30}),
    ],
)
def test_column_is_sliced_by_its_values_or_into_thirds(column: str, sizes: dict[str, int]) -> None:
    assert {value: int(rows.sum()) for value, rows in slice_by_column(table(), column).items()} == sizes


def test_target_of_a_regression_is_cut_into_thirds() -> None:
    predictions = table(task="regression", classes=[])
    predictions.arrays.targets[:] = np.arange(60)
    assert {value: int(rows.sum()) for value, rows in slice_by_column(predictions, "target").items()} == {
        "low": 20, "middle": 20, "high": 20,
    }  # fmt: skip


def test_labels_of_several_are_slices_that_overlap() -> None:
    predictions = table(task="multilabel", classes=["war", "love"], target="")
    flags = np.stack([np.ones(60), np.arange(60) < 7], axis=1).astype(np.float32)
    arrays = Arrays(predictions.arrays.inputs, flags, predictions.arrays.row_ids)
    predictions = Predictions(arrays, predictions.logits, predictions.predict, predictions.spec, TRANSFORM)
    assert {value: int(rows.sum()) for value, rows in slice_by_column(predictions, "label").items()} == {
        "war": 60, "love": 7,
    }  # fmt: skip


def test_images_are_sliced_by_brightness() -> None:
    images = np.repeat(np.arange(60, dtype=np.uint8), 4).reshape(60, 2, 2, 1)
    spec = Spec(modality="image", task="classification", source="x", format="idx", num_rows=60, classes=["a", "b"])
    arrays = Arrays(images, np.zeros(60, np.int64), np.zeros(60, "S32"))
    slices = slice_by_column(Predictions(arrays, np.zeros((60, 2)), lambda rows: rows, spec, {}), "brightness")
    assert list(slices) == ["low", "middle", "high"]
    assert np.flatnonzero(slices["high"]).tolist() == list(range(40, 60))


def test_columns_that_the_model_does_not_learn_from_slice_too(tmp_path: Path) -> None:
    ward = pa.array(["north"] * 40 + ["south"] * 19 + [None])
    write_columns(tmp_path, pa.table({"ward": ward, "sex": ward, "height": np.arange(60.0)}))
    predictions = replace(table(), folder=tmp_path)
    assert list_columns(predictions) == ["sex", "deck", "age", "ward", "height", "class", "fate"]
    assert {value: int(rows.sum()) for value, rows in slice_by_column(predictions, "ward").items()} == {
        "north": 40, "south": 19, "missing": 1,
    }  # fmt: skip
    assert set(slice_by_column(predictions, "height")) == {"low", "middle", "high"}
    assert set(slice_by_column(predictions, "sex")) == {"female", "male", "missing"}  # that of the model


def test_unknown_column_names_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"slices: column 'sexx': .*one of \['age', .*'sex'\] \(did you mean 'sex'\?"):
        slice_by_column(table(), "sexx")


def test_texts_are_sliced_by_their_length() -> None:
    table = make_text_table()
    spec = table.spec.model_copy(update={"target": "fate"})
    arrays = Arrays(table.inputs, table.targets, np.zeros(200, "S32"))
    predictions = Predictions(arrays, np.zeros((200, 2), np.float32), lambda rows: rows, spec, table.transform)
    slices = slice_by_column(predictions, "title")
    assert slices["missing"].sum() == 29
    assert set(slice_by_column(predictions, "body")) == {"low", "middle", "high"}
