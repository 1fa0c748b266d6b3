import os
from importlib.util import find_spec

import fsspec
import pytest

from headrace.data.image.reading.image_loader import ImageLoader, LoadedImage, LoadLimits
from headrace.errors import ConfigError
from tests.image_server import send, serve_images

QUICK = LoadLimits(num_threads=1, attempts=2, backoff_s=0.01, connect_s=2, read_s=2, total_s=5, max_bytes=1000)


@pytest.fixture
def loader(tmp_path):
    images = ImageLoader(tmp_path, QUICK)
    yield images
    images.close()


@pytest.fixture
def site():
    with serve_images() as server:
        yield server


def test_paths_are_absolute_or_relative_to_the_base(tmp_path, loader):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(b"a")
    (tmp_path / "b.png").write_bytes(b"b")
    cells = ["sub/a.png", str(tmp_path / "b.png"), "sub/../b.png"]
    assert [loader.load(cell) for cell in cells] == [LoadedImage(b"a"), LoadedImage(b"b"), LoadedImage(b"b")]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "the cell is empty"),
        (None, "the cell is empty"),
        ("gone.png", "No such file or directory"),
        (".", "is not a file"),
        ("pipe", "is not a file"),
        ("zero\0byte.png", "is not a path"),
        ("empty.png", "is empty"),
        ("large.png", "has more than 1000 bytes, the limit for one image"),
        ("nosuch://bucket/a.png", "is not a URL that can be read"),
        ("memory://bucket/gone.png", "no such file"),
    ],
)
def test_a_problem_is_named_and_not_transient(tmp_path, loader, cell, problem):
    (tmp_path / "empty.png").touch()
    (tmp_path / "large.png").write_bytes(bytes(1001))
    os.mkfifo(tmp_path / "pipe")
    assert loader.load(cell) == LoadedImage(b"", problem)


def test_a_busy_server_is_tried_again(loader, site):
    def busy_once(handler):
        is_first = len(site.requested) == 1
        send(handler, b"" if is_first else b"image", status=503 if is_first else 200)

    assert loader.load(site.put("/a.png", busy_once)) == LoadedImage(b"image")
    assert len(site.requested) == 2


def test_a_failing_server_gives_a_transient_problem_after_all_attempts(loader, site):
    url = site.put("/a.png", lambda handler: send(handler, b"", status=500))
    assert loader.load(url) == LoadedImage(b"", "the server responded with 500", is_transient=True)
    assert len(site.requested) == QUICK.attempts


def test_a_stopped_loader_does_not_try_again(loader, site):
    loader.stop()
    assert loader.load(site.put("/a.png", lambda handler: send(handler, b"", status=500))).is_transient
    assert len(site.requested) == 1


def test_redirects_are_followed_and_compression_is_declined(loader, site):
    site.put("/real.png", b"image")
    url = site.put("/a.png", lambda handler: send(handler, b"", status=302, Location="/real.png"))
    assert loader.load(url) == LoadedImage(b"image")
    assert {headers["Accept-Encoding"] for headers in site.headers} == {"identity"}


def test_object_stores_are_read_with_fsspec(loader):
    with fsspec.open("memory://bucket/a.png", "wb") as file:
        file.write(b"image")
    assert loader.load("memory://bucket/a.png") == LoadedImage(b"image")


@pytest.mark.skipif(find_spec("adlfs") is not None, reason="adlfs is installed")
def test_a_missing_client_is_a_configuration_error(loader):
    with pytest.raises(ConfigError, match=r"'abfs://container/a.png': .*; install headrace\[az\]$"):
        loader.load("abfs://container/a.png")


def test_an_endless_response_ends_at_the_time_limit(tmp_path, site):
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not site.is_over.wait(0.05):
            handler.wfile.write(b"x")

    loader = ImageLoader(tmp_path, QUICK._replace(attempts=1, read_s=0.3, total_s=0.5))
    problem = "the server did not respond in time"
    assert loader.load(site.put("/drip.png", drip)) == LoadedImage(b"", problem, is_transient=True)
    loader.close()
