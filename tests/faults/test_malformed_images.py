"""Malformed image sources: each gives an error of one line, or a row without bytes for quarantine."""

import gzip
import os
import pickle
import struct

import numpy as np
import pyarrow as pa
import pytest

from headrace.data.image.reading.cifar import read_cifar
from headrace.data.image.reading.idx import IMAGES, LABELS, read_idx
from headrace.data.image.reading.image_folder import read_folder
from headrace.data.image.reading.image_loader import LoadLimits
from headrace.data.image.reading.image_table import load_images
from headrace.data.sources.read_options import ReadOptions
from headrace.errors import DataError
from tests import published
from tests.image_server import send, serve_images
from tests.projects import png

pytestmark = pytest.mark.faults
QUICK = LoadLimits(
    num_threads=2, attempts=2, backoff_s=0.01, connect_s=2, read_s=0.2, total_s=2, max_bytes=10_000,
    allow_private_addresses=True,
)  # fmt: skip
PNG = png(np.zeros((4, 4), np.uint8))


def read_all(read, folder):
    return sum(batch.num_rows for batch in read(folder, ReadOptions(source=str(folder))).batches)


class Runs:
    """Creates a file when unpickled."""

    def __reduce__(self):
        return (os.system, ("touch ran",))


def pickled(**changes):
    pixels, labels = published.photos(10, 99)
    return published.dump_python2({"data": pixels, "labels": labels.tolist()} | changes)


def put(folder, name, data):
    (folder / name).write_bytes(data)


def cut(folder, name, num_bytes):
    put(folder, name, (folder / name).read_bytes()[:-num_bytes])


BINARY = [
    ("a truncated row", lambda f: cut(f, "test_batch.bin", 1), "ends 3072 bytes into a row of 3073"),
    ("an empty file of rows", lambda f: put(f, "data_batch_1.bin", b""), "data_batch_1.bin: is empty"),
    ("rows of another size", lambda f: put(f, "test_batch.bin", bytes(3074 * 10)), "into a row of 3073"),
    ("a label beyond the names", lambda f: put(f, "test_batch.bin", b"\x0a" + bytes(3072)), "has a label 10, but 10"),
    ("truncated names", lambda f: put(f, "batches.meta.txt", b"airplane\nbird\n"), "but 2 classes have names"),
    ("no names", lambda f: put(f, "batches.meta.txt", b"\n\n"), "names 0 classes; two or more"),
    ("names that repeat", lambda f: put(f, "batches.meta.txt", b"cat\ncat\n"), "names 2 classes; two or more"),
    ("names missing", lambda f: (f / "batches.meta.txt").unlink(), "is not a CIFAR folder"),
]  # fmt: skip
PYTHON = [
    ("a truncated pickle", lambda f: cut(f, "test_batch", 5000), "test_batch: damaged, or not a pickle (EOFError)"),
    ("an empty pickle", lambda f: put(f, "test_batch", b""), "damaged, or not a pickle"),
    ("a web page", lambda f: put(f, "test_batch", b"<!DOCTYPE html><p>Log in"), "damaged, or not a pickle"),
    ("a gzip file", lambda f: put(f, "test_batch", gzip.compress(pickled())), "damaged, or not a pickle"),
    ("a list", lambda f: put(f, "test_batch", pickle.dumps([1])), "does not hold a dictionary"),
    ("a command", lambda f: put(f, "test_batch", pickle.dumps(Runs(), 2)), "names 'posix.system'"),
    ("a command among labels", lambda f: put(f, "test_batch", pickled(labels=[Runs()] * 10)), "names 'posix.system'"),
    ("a command in the names", lambda f: put(f, "batches.meta", pickle.dumps({"a": Runs()})), "names 'posix.system'"),
    ("objects in the array", lambda f: put(f, "test_batch", pickled(data=np.array([[Runs()]]))), "not of type uint8"),
    ("no data", lambda f: put(f, "test_batch", published.dump_python2({"labels": [1]})), "b'data' is not an array"),
    ("no labels", lambda f: put(f, "test_batch", published.dump_python2({"data": [1]})),
     "has no list b'labels'; its keys are [b'data']"),
    ("data of another type", lambda f: put(f, "test_batch", pickled(data=np.zeros((10, 3072)))), "not of type uint8"),
    ("data of another width", lambda f: put(f, "test_batch", pickled(data=np.zeros((10, 784), np.uint8))),
     "b'data' has the shape [10, 784]; must be an array [rows, 3072]"),
    ("data in a list", lambda f: put(f, "test_batch", pickled(data=[[0] * 3072])), "b'data' is not an array; must"),
    ("too few labels", lambda f: put(f, "test_batch", pickled(labels=[1] * 9)), "holds 10 images and 9 labels"),
    ("labels in an array", lambda f: put(f, "test_batch", pickled(labels=np.zeros(10, np.uint8))), "no list b'labels'"),
    ("labels as text", lambda f: put(f, "test_batch", pickled(labels=["cat"] * 10)), "label that is not an integer"),
    ("negative labels", lambda f: put(f, "test_batch", pickled(labels=[-1] * 10)), "has a label -1"),
    ("numbers as names", lambda f: put(f, "batches.meta", published.dump_python2({"label_names": [1, 2]})),
     "names 0 classes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("write", "change", "problem"),
    [pytest.param(published.write_cifar10_binary, *case[1:], id=f"binary: {case[0]}") for case in BINARY]
    + [pytest.param(published.write_cifar10_python, *case[1:], id=f"python: {case[0]}") for case in PYTHON],
)
def test_malformed_cifar_gives_one_line(tmp_path, monkeypatch, write, change, problem):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "set")
    assert read_all(read_cifar, folder) == 60
    change(folder)
    with pytest.raises(DataError) as caught:
        read_all(read_cifar, folder)
    assert problem in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_cifar100_with_one_label_per_row_gives_one_line(tmp_path):
    folder = published.write_cifar100_binary(tmp_path)
    put(folder, "test.bin", bytes(3073 * 10))
    with pytest.raises(DataError, match="into a row of 3074; fetch the file again"):
        read_all(read_cifar, folder)


def idx(kind, *sizes, data=b""):
    return struct.pack(f">HBB{len(sizes)}I", 0, kind, len(sizes), *sizes) + data


def write_idx(folder, sizes):
    folder.mkdir()
    for name, rows in (("t10k", sizes[0]), ("train", 3)):
        put(folder, f"{name}-{IMAGES}", idx(8, rows, 2, 2, data=bytes(4 * rows)))
        put(folder, f"{name}-{LABELS}", idx(8, rows, data=bytes(rows)))
    return folder


@pytest.mark.parametrize(
    ("write", "read", "name", "advice"),
    [
        (published.write_cifar10_binary, read_cifar, "test_batch.bin", "fetch the file again"),
        (published.write_cifar10_python, read_cifar, "test_batch", "fetch the file again"),
        (write_idx, read_idx, f"train-{LABELS}", "fix or remove it"),
    ],
)
def test_a_file_that_vanishes_while_others_are_read_gives_one_line(tmp_path, write, read, name, advice):
    folder = write(tmp_path / "set", sizes=(1100,))
    batches = read(folder, ReadOptions(source="set")).batches
    next(batches)
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: cannot be read \(No such file or directory\); {advice}"):
        list(batches)


def test_an_image_that_vanishes_while_others_are_read_gives_one_line(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(PNG)
    batches = read_folder(tmp_path, ReadOptions(source="photos")).batches
    (tmp_path / "b" / "2.png").unlink()
    with pytest.raises(DataError, match=r"b/2\.png: cannot be read \(No such file or directory\); "):
        list(batches)


@pytest.mark.parametrize(
    ("images", "labels", "problem"),
    [
        (idx(8, 3, 2, 2, data=bytes(12)), idx(8, 3, data=bytes(2)), "ends 1 bytes early"),
        (idx(8, 3, 2, 2, data=bytes(12)), idx(12, 3, data=bytes(12)), "begins with 00000c01"),
        (idx(8, 3, 2, 2, data=bytes(12)), idx(8, 3, 1, data=bytes(3)), "begins with 00000802"),
        (b"<!DOCTYPE html>", idx(8, 3, data=bytes(3)), "begins with 3c21444f"),
        (idx(8, 2**32 - 1, 2, 2), idx(8, 2**32 - 1), "bytes early"),
    ],
)
def test_malformed_idx_gives_one_line(tmp_path, images, labels, problem):
    put(tmp_path, f"train-{IMAGES}", images)
    put(tmp_path, f"train-{LABELS}", labels)
    with pytest.raises(DataError) as caught:
        read_all(read_idx, tmp_path)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def hang(handler):
    handler.server.is_over.wait(60)
    handler.close_connection = True


def send_half(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.wfile.flush()
    handler.connection.close()
    handler.close_connection = True


def send_garbage(handler):
    handler.wfile.write(b"what?\r\n\r\n")
    handler.close_connection = True


RESPONSES = {
    "404": (None, "the server responded with 404"),
    "403": (lambda h: send(h, b"", status=403), "the server responded with 403"),
    "500": (lambda h: send(h, b"", status=500), "the server responded with 500"),
    "circular redirects": (lambda h: send(h, b"", status=302, Location="/x.png"), "more than 10 redirects"),
    "a redirect to a file": (lambda h: send(h, b"", status=302, Location="file:///etc/hostname"), "is not a valid URL"),
    "a web page": (lambda h: send(h, b"<html><p>Log in</html>", kind="text/html; charset=utf-8"), "web page"),
    "a web page with the type of an image": (lambda h: send(h, b"\n<!DOCTYPE HTML><p>Log in"), "web page"),
    "too many bytes": (lambda h: send(h, bytes(10_001)), "has more than 10000 bytes"),
    "nothing": (lambda h: send(h, b""), "is empty"),
    "half": (send_half, "the connection failed"),
    "no HTTP": (send_garbage, "the connection failed"),
    "silence": (hang, "the server did not respond in time"),
}


def load(cells, base):
    raw = pa.table(
        {
            "row_id": [str(index) for index in range(len(cells))],
            "label": ["a"] * len(cells),
            "split": pa.nulls(len(cells), pa.string()),
            "file": pa.array(cells, pa.string()),
        }
    )
    return [row for batch in load_images(iter(raw.to_batches()), "file", base, QUICK) for row in batch.to_pylist()]


@pytest.fixture(scope="module")
def site():
    with serve_images() as server:
        yield server


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_failed_response_gives_a_row_without_bytes(tmp_path, site, caplog, kind):
    response, problem = RESPONSES[kind]
    good, bad = site.put("/good.png", PNG), site.put("/x.png", response)
    rows = load([good, bad, good], tmp_path)
    assert [row["image"] for row in rows] == [PNG, b"", PNG]
    assert problem in caplog.text
    assert caplog.text.count("WARNING") == 1


def test_an_unreachable_server_gives_one_line(tmp_path):
    with serve_images() as gone:
        url = gone.url
    with pytest.raises(DataError, match="none of the first 3 can be loaded .*the connection failed") as caught:
        load([f"{url}/{index}.png" for index in range(3)], tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "cell",
    [
        None, "", "gone.png", ".", "a.png/b.png", "zero\0byte.png", "x" * 5000, "pipe", "/dev/zero", "large.png",
        "http://", "http://[::1/a.png", "http://host:port/a.png", "https://?/a.png",
        "nosuch://bucket/a.png", "memory://bucket/gone.png", "zip://a.png::memory://b.zip", "file:///nowhere/a.png",
    ],
)  # fmt: skip
def test_an_invalid_cell_gives_a_row_without_bytes(tmp_path, cell):
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "large.png").write_bytes(bytes(10_001))
    os.mkfifo(tmp_path / "pipe")
    rows = load(["a.png", cell], tmp_path)
    assert [row["image"] for row in rows] == [PNG, b""]
    assert rows[1]["path"] == cell
