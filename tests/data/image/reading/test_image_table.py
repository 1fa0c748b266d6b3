"""Tables of images: from files and from a real web server, in order, with a bound on time, size and memory."""

import logging
import threading
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest

from headrace.data.image.reading import image_table, rows
from headrace.data.image.reading.image_loader import LinkLimits
from headrace.data.image.reading.image_table import image_schema, load_images
from headrace.data.image.reading.rows import RAW_SCHEMA
from headrace.errors import ConfigError, DataError
from tests.conftest import png
from tests.image_server import send, serving

QUICK = LinkLimits(num_threads=4, attempts=2, backoff_s=0.01, connect_s=2, read_s=2, total_s=5, max_bytes=100_000)


def image(shade):
    return png(np.full((4, 4), shade, np.uint8))


def table(cells, batch_rows=1000, **columns):
    raw = pa.table(
        {
            "row_id": [f"{index:032d}" for index in range(len(cells))],
            "label": [str(index % 2) for index in range(len(cells))],
            "split": ["train"] * len(cells),
            "file": pa.array(cells, pa.string()),
            **{name: pa.array(values, pa.string()) for name, values in columns.items()},
        }
    )
    return raw.to_batches(max_chunksize=batch_rows)


def loaded(cells, base, limits=QUICK, **columns):
    batches = list(load_images(iter(table(cells, **columns)), "file", base, limits))
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.fixture
def site():
    with serving() as made:
        yield made


def test_files_are_found_beside_the_table_or_by_absolute_path(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(image(1))
    (tmp_path / "b.png").write_bytes(image(2))
    cells = ["sub/a.png", str(tmp_path / "b.png"), "sub/../b.png"]
    made = loaded(cells, tmp_path, note=["x", None, "z"])
    assert [row["image"] for row in made] == [image(1), image(2), image(2)]
    assert [row["path"] for row in made] == cells
    assert [row["note"] for row in made] == ["x", None, "z"]
    assert [(row["row_id"][-1], row["label"], row["split"]) for row in made] == [
        ("0", "0", "train"), ("1", "1", "train"), ("2", "0", "train"),
    ]  # fmt: skip


def test_the_schema_is_that_of_images_and_the_tables_other_columns(tmp_path):
    (tmp_path / "a.png").write_bytes(image(1))
    batch = table(["a.png"], note=["x"])[0]
    (made,) = load_images(iter([batch]), "file", tmp_path)
    assert made.schema == image_schema(batch.schema, "file")
    assert made.schema.names == [*RAW_SCHEMA.names, "note"]
    assert list(load_images(iter([]), "file", tmp_path)) == []


def test_urls_are_loaded_in_order_though_they_answer_out_of_order(tmp_path, site):
    later = threading.Event()

    def answer_later(handler):
        assert later.wait(10)
        send(handler, image(0))

    def answer_and_let_go(handler):
        later.set()
        send(handler, image(2))

    cells = [site.put("/0.png", answer_later), site.put("/1.png", image(1)), site.put("/2.png", answer_and_let_go)]
    assert [row["image"] for row in loaded(cells, tmp_path)] == [image(0), image(1), image(2)]


def test_only_a_window_of_images_is_loaded_ahead(tmp_path, site, monkeypatch):
    monkeypatch.setattr(rows, "BATCH_BYTES", 1)  # a batch a row
    cells = [site.put(f"/{index}.png", image(index)) for index in range(100)]
    stream = load_images(iter(table(cells)), "file", tmp_path, QUICK)
    next(stream)
    stream.close()
    assert 0 < len(site.asked) <= 2 * QUICK.num_threads + 1


def test_a_server_that_is_busy_is_asked_again(tmp_path, site):
    asked = []

    def busy_once(handler):
        asked.append(1)
        if len(asked) == 1:
            send(handler, b"", status=503)
        else:
            send(handler, image(5))

    assert loaded([site.put("/a.png", busy_once)], tmp_path)[0]["image"] == image(5)
    assert len(asked) == 2


def test_redirects_are_followed_and_a_packed_body_is_not_asked_for(tmp_path, site):
    site.put("/real.png", image(3))
    cell = site.put("/a.png", lambda handler: send(handler, b"", status=302, Location="/real.png"))
    assert loaded([cell], tmp_path)[0]["image"] == image(3)
    assert {headers["Accept-Encoding"] for headers in site.headers} == {"identity"}


def test_other_stores_are_read_by_fsspec(tmp_path):
    import fsspec

    with fsspec.open("memory://bucket/a.png", "wb") as file:
        file.write(image(4))
    made = loaded(["memory://bucket/a.png", "memory://bucket/gone.png"], tmp_path)
    assert [row["image"] for row in made] == [image(4), b""]


@pytest.mark.skipif(find_spec("adlfs") is not None, reason="adlfs is installed")
def test_a_store_whose_client_is_missing_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"'abfs://container/a.png': .*; install headrace\[az\]$"):
        loaded(["abfs://container/a.png"], tmp_path)


def test_what_cannot_be_loaded_is_empty_and_counted_once(tmp_path, site, caplog):
    (tmp_path / "a.png").write_bytes(image(1))
    cells = ["a.png", "gone.png", site.put("/page", lambda handler: send(handler, b"<p>hello", kind="text/html")), None]
    with caplog.at_level(logging.WARNING):
        made = loaded(cells, tmp_path)
    assert [len(row["image"]) > 0 for row in made] == [True, False, False, False]
    assert [row["path"] for row in made] == cells
    assert caplog.messages == [
        "column 'file': 3 of 4 images cannot be loaded, the first is 'gone.png': No such file or directory;"
        " clean puts their rows in quarantine"
    ]


def test_none_of_the_first_20_is_refused_before_the_rest_is_tried(tmp_path, site):
    cells = [f"{site.url}/{index}.png" for index in range(500)]
    with pytest.raises(DataError, match=r"column 'file' names images, but none of the first 20 can be loaded") as told:
        loaded(cells, tmp_path)
    assert "\n" not in str(told.value)
    assert "the server answers 404" in str(told.value)
    assert len(site.asked) <= 20 + 2 * QUICK.num_threads + 1


def test_a_bad_start_is_no_reason_to_refuse(tmp_path):
    (tmp_path / "a.png").write_bytes(image(1))
    made = loaded(["gone.png"] * 19 + ["a.png"], tmp_path)
    assert made[-1]["image"] == image(1)


def test_a_server_that_goes_away_midway_ends_it(tmp_path, site, monkeypatch):
    monkeypatch.setattr(image_table, "UNANSWERED_ROWS", 6)
    cells = [site.put(f"/{index}.png", image(1)) for index in range(25)]
    cells += [site.put(f"/{index}.png", lambda handler: send(handler, b"", status=500)) for index in range(25, 60)]
    with pytest.raises(DataError, match=r"6 images in a row, from row 26 on, cannot be loaded .*answers 500.*; see to"):
        loaded(cells, tmp_path)


def test_an_endless_drip_is_given_up(tmp_path, site):
    (tmp_path / "a.png").write_bytes(image(1))

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not site.is_over.wait(0.05):
            handler.wfile.write(b"x")

    limits = QUICK._replace(attempts=1, read_s=0.3, total_s=0.5)
    made = loaded(["a.png", site.put("/drip.png", drip)], tmp_path, limits)
    assert made[1]["image"] == b""


def test_secrets_in_urls_are_not_told(tmp_path, site, caplog):
    host = site.url.removeprefix("http://")
    cells = [f"http://user:hush@{host}/{index}.png?token=hush" for index in range(3)]
    with caplog.at_level(logging.DEBUG, logger="headrace"), pytest.raises(DataError) as told:
        loaded(cells, tmp_path)
    assert "hush" not in str(told.value) + caplog.text
    assert f"http://{host}/0.png" in str(told.value)
