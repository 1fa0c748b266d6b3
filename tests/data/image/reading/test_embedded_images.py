import pyarrow as pa

from headrace.data.image.reading import embedded_images
from headrace.data.image.reading.embedded_images import to_image_batches
from headrace.data.image.reading.rows import RAW_SCHEMA


def make_batch(start, stop):
    names = [str(index) for index in range(start, stop)]
    columns = {
        "row_id": names, "label": names, "split": names, "source": names, "image_": names, "size": names,
        "image": [None if name == "2" else name.encode() for name in names], "path": names,
    }  # fmt: skip
    return pa.record_batch(columns)


def test_rows_are_grouped_and_missing_images_are_empty(monkeypatch):
    monkeypatch.setattr(embedded_images, "BATCH_ROWS", 5)
    batches = list(
        to_image_batches(iter([make_batch(0, 2), make_batch(2, 4), make_batch(4, 6), make_batch(6, 7)]), "image_")
    )
    assert [batch.num_rows for batch in batches] == [4, 3]
    assert batches[0].schema.names == [*RAW_SCHEMA.names, "size"]
    assert batches[0].column("image").to_pylist() == [b"0", b"1", b"", b"3"]
    assert batches[1].column("path").to_pylist() == ["4", "5", "6"]


def test_batches_of_large_images_are_small(monkeypatch):
    monkeypatch.setattr(embedded_images, "BATCH_BYTES", 1)
    assert len(list(to_image_batches(iter([make_batch(0, 2), make_batch(2, 4)]), "image_"))) == 2
