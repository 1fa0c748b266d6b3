"""Answers for one chunk: its columns, by a registered model."""

import pyarrow as pa
import pytest

from headrace.prediction.chunk_answers import AnswerChunk
from headrace.prediction.input_chunks import Cells, Chunk
from tests.projects import table_rows
from tests.serving import TABLE, model_dir


@pytest.mark.slow
@pytest.mark.parametrize("registered", TABLE, indirect=True, ids="-".join)
def test_answers_have_the_place_of_each_row_and_counts_of_those_that_are_answered(registered):
    rows, _ = table_rows(100)
    rows[70]["size"] = "much"
    names = ("source", "reason", "label", "probability_high")
    copied = pa.record_batch({name: [name] * 100 for name in names})
    chunk = Chunk(500, pa.array([f"a:{row}" for row in range(100)]), Cells(pa.RecordBatch.from_pylist(rows)), copied)
    answers = AnswerChunk(model_dir(registered), 1, has_drift=True)(chunk)
    table = answers.table.to_pydict()
    assert table["row"] == list(range(500, 600))
    assert (table["source"][0], table["label"][0] in {"high", "low"}) == ("a:0", True)
    assert [table[f"{name}_"][0] for name in names] == list(names)  # in CSV, a class has the last one
    assert [row for row, reason in enumerate(table["reason"]) if reason] == [70]
    assert table["label"][70] is table["confidence"][70] is table["probabilities"][70] is None
    assert answers.num_set_aside == 1
    assert {sum(counts) for counts in answers.counts.values()} == {99}
