import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.contracts import Column, Spec
from headrace.data.checkers import CHECKERS
from headrace.data.cleaning.checks import resolve_rules
from tests.drawn import TABLE_COLUMNS, faulty_rows, rows, schema_of


class Batches:
    """Rows of the given batches."""

    def __init__(self, *batches: pa.RecordBatch) -> None:
        self.batches = batches

    def map(self, work: Any) -> Any:
        return map(work, self.batches)


def spec_of(modality: str) -> Spec:
    columns = [Column(name=name, kind=kind) for name, kind in TABLE_COLUMNS.items()] if modality == "table" else []
    return Spec(modality=modality, task="classification", source="x", format="table", num_rows=26, columns=columns)


@pytest.mark.parametrize("modality", CHECKERS)
def test_checker_fulfils_the_contract(modality: str) -> None:
    checker, spec, schema = CHECKERS[modality], spec_of(modality), schema_of(modality)
    options = {name: rule.options for name, rule in resolve_rules({}, modality).items()}
    batch = pa.RecordBatch.from_pylist(rows(modality, 20) + faulty_rows(modality), schema)
    survey = json.loads(json.dumps(checker.survey(Batches(batch), spec, options), allow_nan=False))

    checked = checker.check_batch(batch, spec, survey, options)
    arrays = [checked.keys, checked.hashes, checked.sketches, checked.features, *checked.measures.values()]
    assert [len(array) for array in arrays] == [batch.num_rows] * len(arrays)
    assert {finding.row for finding in checked.findings} <= set(range(20, 26))
    assert checked.findings
    assert len(set(checked.keys[:20].tolist())) == 20
    assert checked.keys[21] == checked.keys[1]

    repaired = checker.repair(batch.slice(0, 20), spec, survey, options)
    assert repaired.batch.schema == checker.clean_schema(schema, spec)
    assert len(repaired.originals) == repaired.batch.num_rows == 20


@pytest.mark.parametrize("modality", CHECKERS)
def test_checker_results_are_independent_of_the_batch(modality: str) -> None:
    checker, spec = CHECKERS[modality], spec_of(modality)
    options = {name: rule.options for name, rule in resolve_rules({}, modality).items()}
    batch = pa.RecordBatch.from_pylist(rows(modality, 12), schema_of(modality))
    survey = checker.survey(Batches(batch), spec, options)
    assert survey == checker.survey(Batches(batch.slice(7), batch.slice(0, 7)), spec, options)
    together = checker.check_batch(batch, spec, survey, options)
    alone = [checker.check_batch(batch.slice(row, 1), spec, survey, options) for row in range(12)]
    for name in ("keys", "hashes", "sketches"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(checked, name) for checked in alone]), getattr(together, name)
        )


@pytest.mark.parametrize("modality", CHECKERS)
def test_render_html_escapes_the_row(modality: str) -> None:
    row = next(iter(rows(modality, 1))) | {"path": "<script>", "text": "<script>", "colour": "<script>"}
    assert "<script" not in CHECKERS[modality].render_html(row)
