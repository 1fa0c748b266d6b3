import os
from importlib.util import find_spec

import fsspec
import pytest

from headrace.data.image.reading.image_loader import ImageLoader, LoadedImage, LoadLimits
from headrace.errors import ConfigError
from tests.image_server import send, serve_images

QUICK = LoadLimits(
    num_threads=1, attempts=2, backoff_s=0.01, connect_s=2, read_s=2, total_s=5, max_bytes=1000,
    allow_private_addresses=True,
)  # fmt: skip
JPEG = b"\xff\xd8\xff"
PRIVATE = "is an address of this machine or its network; ingest.allow_private_addresses: true allows it"
OUTSIDE = "is outside the source; ingest.allow_outside: true allows it for a local one"


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
    (tmp_path / "sub" / "a.png").write_bytes(JPEG + b"a")
    (tmp_path / "b.png").write_bytes(JPEG)
    cells = ["sub/a.png", str(tmp_path / "b.png"), "sub/../b.png", f"file://{tmp_path}/b.png"]
    assert [loader.load(cell) for cell in cells] == [LoadedImage(JPEG + b"a"), *[LoadedImage(JPEG)] * 3]


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
        send(handler, b"" if is_first else JPEG, status=503 if is_first else 200)

    assert loader.load(site.put("/a.png", busy_once)) == LoadedImage(JPEG)
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
    site.put("/real.png", JPEG)
    url = site.put("/a.png", lambda handler: send(handler, b"", status=302, Location="/real.png"))
    assert loader.load(url) == LoadedImage(JPEG)
    assert {headers["Accept-Encoding"] for headers in site.headers} == {"identity"}


def test_object_stores_are_read_with_fsspec(loader):
    with fsspec.open("memory://bucket/a.png", "wb") as file:
        file.write(JPEG)
    assert loader.load("memory://bucket/a.png") == LoadedImage(JPEG)


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


@pytest.fixture
def outside(tmp_path):
    """A source beside an image and a link to it."""
    (tmp_path / "source").mkdir()
    (tmp_path / "secret.png").write_bytes(JPEG)
    (tmp_path / "source" / "link.png").symlink_to("../secret.png")
    (tmp_path / "source" / "folder").symlink_to(tmp_path)
    return tmp_path


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    "cell",
    ["../secret.png", "{}/secret.png", "file://{}/secret.png", "link.png", "folder/secret.png", "folder/../x.png"],
)
def test_files_outside_the_source_need_the_setting(outside, cell, allowed):
    limits = QUICK._replace(allow_outside=allowed)
    loaded = ImageLoader(outside / "source", limits).load(cell.format(outside))
    if allowed and not cell.endswith("x.png"):
        assert loaded == LoadedImage(JPEG)
    else:
        assert loaded == LoadedImage(b"", "No such file or directory" if allowed else OUTSIDE)


def test_images_beside_the_folder_of_a_table_may_be_in_its_source(outside):
    loader = ImageLoader(outside / "source", QUICK._replace(root=outside))
    assert loader.load("../secret.png") == LoadedImage(JPEG)


@pytest.mark.parametrize("cell", ["/proc/self/status", "/proc/version", "/sys/kernel/notes", "/dev/null", "status.png"])
def test_special_files_are_never_read(tmp_path, cell):
    (tmp_path / "status.png").symlink_to("/proc/self/status")
    assert ImageLoader(tmp_path, QUICK._replace(allow_outside=True)).load(cell) == LoadedImage(b"", "is not a file")


def test_a_server_of_this_machine_is_not_requested(tmp_path, site):
    url = site.put("/a.png", JPEG)
    loader = ImageLoader(tmp_path, QUICK._replace(allow_private_addresses=False))
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"):
        loaded = loader.load(url.replace("127.0.0.1", host))
        assert PRIVATE in loaded.problem, host
        assert (loaded.data, loaded.is_transient) == (b"", False)
    assert not site.requested


@pytest.mark.parametrize("url", ["ftp://127.0.0.1:9/a.png", "sftp://localhost:9/a.png"])
def test_other_clients_are_kept_from_this_machine(tmp_path, url):
    loader = ImageLoader(tmp_path, QUICK._replace(allow_private_addresses=False))
    assert PRIVATE in loader.load(url).problem


@pytest.mark.parametrize(
    "url", ["zip://a.png::http://127.0.0.1/b.zip", "reference://etc/hostname", "dir://etc/hostname"]
)
def test_urls_that_wrap_others_are_not_read(loader, url):
    assert loader.load(url) == LoadedImage(b"", "is not a URL that can be read")
