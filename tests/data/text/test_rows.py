import pyarrow as pa
import pytest

from headrace.data.text import rows as text_rows
from headrace.data.text.rows import text_schema, texts_of, to_batches, to_text_batch, to_text_schema


def test_to_text_batch_moves_the_text_and_keeps_other_columns() -> None:
    table = pa.record_batch(
        {
            "row_id": ["0" * 32, "1" * 32],
            "label": ["ham", None],
            "split": pa.array([None, "test"], pa.string()),
            "source": ["a.csv:2", "a.csv:3"],
            "sender": ["x", None],
            "text_": ["hello", None],
            "day": ["01", "02"],
        }
    )
    texts = to_text_batch(table, "text_")
    assert texts.schema == text_schema(["sender", "day"]) == to_text_schema(table.schema, "text_")
    texts.validate(full=True)
    assert texts.to_pylist() == [
        {
            "row_id": "0" * 32, "text": "hello", "label": "ham", "path": None, "split": None, "source": "a.csv:2",
            "sender": "x", "day": "01",
        },
        {
            "row_id": "1" * 32, "text": "", "label": None, "path": None, "split": "test", "source": "a.csv:3",
            "sender": None, "day": "02",
        },
    ]  # fmt: skip


@pytest.mark.parametrize(("limit", "sizes"), [({"BATCH_BYTES": 14}, [2, 1]), ({"BATCH_ROWS": 1}, [1, 1, 1]), ({}, [3])])
def test_to_batches_limits_rows_and_size(
    monkeypatch: pytest.MonkeyPatch, limit: dict[str, int], sizes: list[int]
) -> None:
    for name, value in limit.items():
        monkeypatch.setattr(text_rows, name, value)
    rows = [{"row_id": f"{row:032x}", "text": "7 bytes"} for row in range(3)]
    batches = list(to_batches(rows))
    assert [batch.num_rows for batch in batches] == sizes
    assert [text for batch in batches for text in texts_of(batch)] == ["7 bytes"] * 3
