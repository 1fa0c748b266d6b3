import logging
import threading

import numpy as np
import pyarrow as pa
import pytest

from headrace.data.image.reading import image_table
from headrace.data.image.reading import rows as rows_module
from headrace.data.image.reading.image_loader import LoadLimits
from headrace.data.image.reading.image_table import image_schema, load_images
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.errors import DataError
from tests.image_server import send, serve_images
from tests.projects import png

QUICK = LoadLimits(
    num_threads=4, attempts=2, backoff_s=0.01, connect_s=2, read_s=2, total_s=5, max_bytes=100_000,
    allow_private_addresses=True,
)  # fmt: skip


def image(shade):
    return png(np.full((4, 4), shade, np.uint8))


def table(cells, batch_rows=1000, **columns):
    raw = pa.table(
        {
            "row_id": [f"{index:032d}" for index in range(len(cells))],
            "label": [str(index % 2) for index in range(len(cells))],
            "split": ["train"] * len(cells),
            "source": [f"table.csv:{index + 2}" for index in range(len(cells))],
            "file": pa.array(cells, pa.string()),
            **{name: pa.array(values, pa.string()) for name, values in columns.items()},
        }
    )
    return raw.to_batches(max_chunksize=batch_rows)


def loaded(cells, base, **columns):
    batches = list(load_images(iter(table(cells, **columns)), "file", base, QUICK))
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.fixture
def site():
    with serve_images() as server:
        yield server


def test_image_rows_have_the_values_of_their_table_rows(tmp_path):
    (tmp_path / "a.png").write_bytes(image(1))
    cells = ["a.png", str(tmp_path / "a.png"), "./a.png"]
    rows = loaded(cells, tmp_path, note=["x", None, "z"])
    assert [row["image"] for row in rows] == [image(1)] * 3
    assert [row["path"] for row in rows] == cells
    assert [row["note"] for row in rows] == ["x", None, "z"]
    assert [(row["row_id"][-1], row["label"], row["split"], row["source"]) for row in rows] == [
        ("0", "0", "train", "table.csv:2"), ("1", "1", "train", "table.csv:3"), ("2", "0", "train", "table.csv:4"),
    ]  # fmt: skip


def test_the_schema_is_that_of_image_rows_and_the_other_columns(tmp_path):
    (tmp_path / "a.png").write_bytes(image(1))
    batch = table(["a.png"], note=["x"])[0]
    (loaded_batch,) = load_images(iter([batch]), "file", tmp_path)
    assert loaded_batch.schema == image_schema(batch.schema, "file")
    assert loaded_batch.schema.names == [*RAW_SCHEMA.names, "note"]
    assert list(load_images(iter([]), "file", tmp_path)) == []


def test_rows_stay_in_order_when_responses_come_out_of_order(tmp_path, site):
    later = threading.Event()

    def respond_later(handler):
        assert later.wait(10)
        send(handler, image(0))

    def respond_and_release(handler):
        later.set()
        send(handler, image(2))

    cells = [site.put("/0.png", respond_later), site.put("/1.png", image(1)), site.put("/2.png", respond_and_release)]
    assert [row["image"] for row in loaded(cells, tmp_path)] == [image(0), image(1), image(2)]


def test_only_a_window_of_images_is_loaded_ahead(tmp_path, site, monkeypatch):
    monkeypatch.setattr(rows_module, "BATCH_BYTES", 1)  # a batch a row
    cells = [site.put(f"/{index}.png", image(index)) for index in range(100)]
    stream = load_images(iter(table(cells)), "file", tmp_path, QUICK)
    next(stream)
    stream.close()
    assert 0 < len(site.requested) <= 2 * QUICK.num_threads + 1


def test_failed_images_are_empty_and_counted_in_one_warning(tmp_path, site, caplog):
    (tmp_path / "a.png").write_bytes(image(1))
    cells = ["a.png", "gone.png", site.put("/page", lambda handler: send(handler, b"<p>hello", kind="text/html")), None]
    with caplog.at_level(logging.WARNING):
        rows = loaded(cells, tmp_path)
    assert [len(row["image"]) > 0 for row in rows] == [True, False, False, False]
    assert [row["path"] for row in rows] == cells
    assert caplog.messages == [
        "column 'file': 3 of 4 images cannot be loaded, the first is table.csv:3: 'gone.png': No such file or"
        " directory; clean puts their rows in quarantine"
    ]


def test_20_failures_at_the_start_end_the_load(tmp_path, site):
    cells = [f"{site.url}/{index}.png" for index in range(500)]
    with pytest.raises(
        DataError, match=r"column 'file' names images, but none of the first 20 can be loaded"
    ) as caught:
        loaded(cells, tmp_path)
    assert "\n" not in str(caught.value)
    assert "the server responded with 404" in str(caught.value)
    assert len(site.requested) <= 20 + 2 * QUICK.num_threads + 1


def test_19_failures_at_the_start_are_accepted(tmp_path):
    (tmp_path / "a.png").write_bytes(image(1))
    rows = loaded(["gone.png"] * 19 + ["a.png"], tmp_path)
    assert rows[-1]["image"] == image(1)


def test_a_server_that_stops_responding_ends_the_load(tmp_path, site, monkeypatch):
    monkeypatch.setattr(image_table, "MAX_TRANSIENT_FAILURES", 6)
    cells = [site.put(f"/{index}.png", image(1)) for index in range(25)]
    cells += [site.put(f"/{index}.png", lambda handler: send(handler, b"", status=500)) for index in range(25, 60)]
    with pytest.raises(
        DataError, match=r"6 images in a row cannot be loaded, the last is table\.csv:32: .* with 500; check"
    ):
        loaded(cells, tmp_path)


def test_secrets_in_urls_are_not_shown(tmp_path, site, caplog):
    host = site.url.removeprefix("http://")
    cells = [f"http://user:hush@{host}/{index}.png?token=hush" for index in range(3)]
    with caplog.at_level(logging.DEBUG, logger="headrace"), pytest.raises(DataError) as caught:
        loaded(cells, tmp_path)
    assert "hush" not in str(caught.value) + caplog.text
    assert f"http://{host}/0.png" in str(caught.value)


def test_what_is_no_image_is_not_stored(tmp_path, site, caplog):
    (tmp_path / "a.png").write_bytes(image(1))
    (tmp_path / "notes.png").write_bytes(b"user:secret")
    with caplog.at_level(logging.WARNING):
        rows = loaded(["a.png", "notes.png", site.put("/b.png", b"secret")], tmp_path)
    assert [row["image"] for row in rows] == [image(1), b"", b""]
    assert "the first is table.csv:3: 'notes.png': is not an image" in caplog.text
