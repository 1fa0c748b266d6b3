import pyarrow as pa

from headrace.data.text.rows import text_schema, to_text_batch, to_text_schema


def test_to_text_batch_moves_the_text_and_keeps_the_rest() -> None:
    table = pa.record_batch(
        {
            "row_id": ["0" * 32, "1" * 32],
            "label": ["ham", None],
            "split": pa.array([None, "test"], pa.string()),
            "sender": ["x", None],
            "text_": ["hello", None],
            "day": ["01", "02"],
        }
    )
    made = to_text_batch(table, "text_")
    assert made.schema == text_schema(["sender", "day"]) == to_text_schema(table.schema, "text_")
    made.validate(full=True)
    assert made.to_pylist() == [
        {"row_id": "0" * 32, "text": "hello", "label": "ham", "path": None, "split": None, "sender": "x", "day": "01"},
        {"row_id": "1" * 32, "text": "", "label": None, "path": None, "split": "test", "sender": None, "day": "02"},
    ]  # fmt: skip
