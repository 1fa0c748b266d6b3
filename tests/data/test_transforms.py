import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Column, Spec
from headrace.data.checkers import CHECKERS
from headrace.data.cleaning.checks import resolve_rules
from headrace.data.transforms import TRANSFORMS
from headrace.stages.normalize import Config
from headrace.storage.arrays import INPUT_TYPES
from tests.drawn import TABLE_COLUMNS, rows, schema_of


class Batches:
    """Rows of the given batches."""

    def __init__(self, *batches: pa.RecordBatch) -> None:
        self.batches = batches

    def map(self, work: Any) -> Any:
        return map(work, self.batches)


def clean_batch(modality: str, num_rows: int) -> tuple[pa.RecordBatch, Spec]:
    """Rows as `clean` writes them."""
    columns = [Column(name=name, kind=kind) for name, kind in TABLE_COLUMNS.items()] if modality == "table" else []
    spec = Spec(
        modality=modality, task="classification", source="x", format="x", num_rows=num_rows, columns=columns,
        classes=["cat", "dog"],
    )  # fmt: skip
    options = {name: rule.options for name, rule in resolve_rules({}, modality).items()}
    raw = pa.RecordBatch.from_pylist(rows(modality, num_rows), schema_of(modality))
    checker = CHECKERS[modality]
    survey = checker.survey(Batches(raw), spec, options)
    return checker.repair(raw, spec, survey, options).batch, spec


def fit(modality: str, spec: Spec, *batches: pa.RecordBatch) -> dict[str, Any]:
    options = Config().model_dump()
    options = {"root": "."} | (options if modality == "image" else options[modality])
    return json.loads(json.dumps(TRANSFORMS[modality].fit(Batches(*batches), spec, options), allow_nan=False))


@pytest.mark.parametrize("modality", TRANSFORMS)
def test_apply_returns_rows_of_the_fitted_shape(modality: str) -> None:
    batch, spec = clean_batch(modality, 40)
    transform = fit(modality, spec, batch)
    inputs = TRANSFORMS[modality].apply(batch, transform)
    assert len(inputs) == 40
    if modality == "text":
        assert all(0 < len(ids) <= transform["input_shape"][0] and ids.dtype == np.int32 for ids in inputs)
    else:
        assert (inputs.shape[1:], inputs.dtype) == (tuple(transform["input_shape"]), np.dtype(INPUT_TYPES[modality]))


@pytest.mark.parametrize("modality", TRANSFORMS)
def test_fit_and_apply_are_independent_of_the_batches(modality: str) -> None:
    batch, spec = clean_batch(modality, 40)
    transform = fit(modality, spec, batch)
    assert fit(modality, spec, batch.slice(0, 15), batch.slice(15)) == transform
    together = TRANSFORMS[modality].apply(batch, transform)
    for row in (0, 17, 39):
        (alone,) = TRANSFORMS[modality].apply(batch.slice(row, 1), transform)
        np.testing.assert_array_equal(alone, together[row])
