"""Sources from a real server on loopback that can drop, refuse, change and forget ranges."""

import gzip
import hashlib
import os
import re
import resource
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import fsspec
import pytest

from headrace.data.sources.fetch import fetch, local_path
from headrace.data.sources.limits import SourceLimits
from headrace.data.sources.transfer import resume
from headrace.data.sources.transfer.urls import cache_key, file_name, scrub, shown
from headrace.errors import ConfigError, DataError

CONTENT = Random(0).randbytes(3_000_000)
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What a test sets before it asks, and what was asked for."""

    def __init__(self) -> None:
        self.content, self.tag = CONTENT, '"v1"'
        self.statuses: list[int] = []
        self.drop_after: list[int] = []
        self.has_ranges = self.has_if_range = self.has_length = True
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.address = ""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        serve: Server = self.server.state  # type: ignore[attr-defined]
        wanted = self.headers.get("Range")
        serve.asked.append((self.path, wanted))
        if serve.statuses:
            return self.send_error(serve.statuses.pop(0))
        same = not serve.has_if_range or self.headers.get("If-Range") in {None, serve.tag}
        start = int(wanted[6:-1]) if wanted and serve.has_ranges and same else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(serve.content) - 1}/{len(serve.content)}")
        if serve.tag:
            self.send_header("ETag", serve.tag)
        if serve.has_length:
            self.send_header("Content-Length", str(len(serve.content) - start))
        for name, value in serve.headers.items():
            self.send_header(name, value)
        self.end_headers()
        body = serve.content[start:]
        if serve.drop_after:
            self.wfile.write(body[: serve.drop_after.pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(body)
        return None


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.state = state  # type: ignore[attr-defined]
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        state.address = f"http://127.0.0.1:{http.server_port}"
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "WAITS_S", (0.0, 0.0))


@pytest.fixture
def get(tmp_path: Path) -> Callable[..., Path]:
    return lambda source, **options: fetch(source, tmp_path / "project", tmp_path / "cache", **options)


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".lock"))


def test_local_path_is_below_the_project_unless_absolute_or_below_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert local_path("photos/a", tmp_path) == tmp_path / "photos" / "a"
    assert local_path("/data", tmp_path) == Path("/data")
    assert local_path("~/data", tmp_path) == Path("/home/me/data")


def test_fetch_of_local_paths_gives_them_back(tmp_path: Path, get: Callable[..., Path]) -> None:
    folder = tmp_path / "project" / "photos [1]"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(CONTENT)
    assert get("photos [1]") == folder
    assert get("photos [1]/a.csv", checksum=SHA256) == folder / "a.csv"
    assert get(f"file://{folder}/a.csv") == folder / "a.csv"
    assert get("photos/*.csv") == tmp_path / "project" / "photos" / "*.csv"
    assert not (tmp_path / "cache").exists()


def test_fetch_of_a_url_lands_in_the_cache_once(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    url = f"{server.address}/sets/train%20set.csv?token=1"
    path = get(url, checksum=SHA256)
    assert path == tmp_path / "cache" / cache_key(url) / "train set.csv"
    assert path.read_bytes() == CONTENT
    assert kept(path.parent) == [".train set.csv.json", "train set.csv"]
    server.address = "gone"
    assert get(url, checksum=SHA256) == get(url) == path
    assert len(server.asked) == 1


def test_fetch_asks_again_for_a_copy_of_another_length(server: Server, get: Callable[..., Path]) -> None:
    path = get(f"{server.address}/a.csv")
    path.write_bytes(b"changed")
    assert get(f"{server.address}/a.csv").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_fetch_of_several_files_into_one_folder(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    folder, server.content = tmp_path / "set", gzip.compress(CONTENT)
    for name in ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"):
        for _ in range(2):
            assert get(f"{server.address}/{name}", into=folder) == folder / name
    assert len(server.asked) == 2
    get(f"{server.address}/other/labels-idx1-ubyte.gz", into=folder)  # another URL of the same name
    assert len(server.asked) == 3


def test_fetch_goes_on_where_the_connection_broke(server: Server, get: Callable[..., Path]) -> None:
    server.drop_after = [1_000_000, 600_000]
    assert get(f"{server.address}/a.bin", checksum=SHA256).read_bytes() == CONTENT
    offsets = [int(wanted[6:-1]) for _, wanted in server.asked if wanted]
    assert len(offsets) == 2
    assert 0 < offsets[0] < offsets[1] < len(CONTENT)


def test_fetch_goes_on_in_the_next_run(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    server.drop_after = [800_000, 0, 0, 0]
    with pytest.raises(DataError, match="goes on where it stopped$") as caught:
        get(f"{server.address}/a.bin")
    assert "\n" not in str(caught.value)
    assert kept(tmp_path / "cache") == [".a.bin.part", ".a.bin.part.json"]
    part = next((tmp_path / "cache").rglob(".a.bin.part")).stat().st_size
    server.drop_after.clear()
    assert get(f"{server.address}/a.bin").read_bytes() == CONTENT
    assert server.asked[-1][1] == f"bytes={part}-"


@pytest.mark.parametrize(
    "change", [{"has_ranges": False}, {"tag": ""}, {"tag": 'W/"weak"'}], ids=["no ranges", "no tag", "weak tag"]
)
def test_fetch_starts_over_where_the_server_cannot_go_on(
    server: Server, get: Callable[..., Path], change: dict[str, object]
) -> None:
    vars(server).update(change)
    server.drop_after = [1_000_000]
    assert get(f"{server.address}/a.bin").read_bytes() == CONTENT


def test_fetch_goes_on_by_the_time_of_the_last_change(server: Server, get: Callable[..., Path]) -> None:
    server.tag, server.has_if_range = "", False
    server.headers = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
    server.drop_after = [1_000_000]
    assert get(f"{server.address}/a.bin").read_bytes() == CONTENT
    assert server.asked[-1][1] is not None


@pytest.mark.parametrize("has_if_range", [True, False])
@pytest.mark.parametrize("size", [3_000_000, 2_900_000])
def test_fetch_of_content_that_changed_meanwhile_mixes_nothing(
    server: Server, get: Callable[..., Path], has_if_range: bool, size: int
) -> None:
    server.drop_after = [800_000, 0, 0, 0]
    with pytest.raises(DataError):
        get(f"{server.address}/a.bin")
    server.drop_after.clear()
    server.content, server.tag, server.has_if_range = Random(1).randbytes(size), '"v2"', has_if_range
    assert get(f"{server.address}/a.bin").read_bytes() == server.content


def test_fetch_without_a_length_reads_to_the_end(server: Server, get: Callable[..., Path]) -> None:
    server.has_length = False
    assert get(f"{server.address}/a.bin", checksum=SHA256).read_bytes() == CONTENT


def test_fetch_tries_again_when_the_server_is_busy(server: Server, get: Callable[..., Path]) -> None:
    server.statuses = [503, 500]
    assert get(f"{server.address}/a.bin").read_bytes() == CONTENT
    server.statuses = [503] * 3
    with pytest.raises(DataError, match=r"the server answered 503 [^\n]*, 3 times in a row"):
        get(f"{server.address}/b.bin")


def test_fetch_never_asks_twice_for_what_is_not_there(server: Server, get: Callable[..., Path]) -> None:
    server.statuses = [404]
    with pytest.raises(DataError, match="the server answered 404 Not Found: no such file there; mend the address$"):
        get(f"{server.address}/a.bin")
    assert len(server.asked) == 1


def test_fetch_of_another_checksum_keeps_nothing(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=f"its checksum is {SHA256}; ingest.checksum asks for sha256:0000"):
        get(f"{server.address}/a.bin", checksum="sha256:" + "0" * 64)
    assert [name for name in kept(tmp_path / "cache") if not name.endswith(".part.json")] == []


def test_fetch_of_md5_and_upper_case(server: Server, get: Callable[..., Path]) -> None:
    checksum = "md5:" + hashlib.md5(CONTENT).hexdigest().upper()
    assert get(f"{server.address}/a.bin", checksum=checksum).read_bytes() == CONTENT


def test_fetch_takes_bytes_as_they_are_sent(server: Server, get: Callable[..., Path]) -> None:
    server.headers = {"Content-Encoding": "gzip"}  # as some servers say of any .gz file
    server.content = gzip.compress(CONTENT)
    assert get(f"{server.address}/a-ubyte.gz").read_bytes() == server.content


def test_fetch_unpacks_a_remote_archive(server: Server, tmp_path: Path, get: Callable[..., Path]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/1.txt", "1")
        archive.writestr("dog/1.txt", "2")
    server.content = (tmp_path / "a.zip").read_bytes()
    folder = get(f"{server.address}/download?id=7")
    assert sorted(path.name for path in folder.iterdir()) == ["cat", "dog"]
    server.statuses = [404] * 9
    assert get(f"{server.address}/download?id=7") == folder


def test_fetch_of_a_damaged_remote_archive_downloads_it_anew_next_time(
    server: Server, tmp_path: Path, get: Callable[..., Path]
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/1.txt", "1")
    whole = (tmp_path / "a.zip").read_bytes()
    server.content = whole[:-9]
    with pytest.raises(DataError, match="damaged or truncated"):
        get(f"{server.address}/a.zip")
    server.content = whole
    assert get(f"{server.address}/a.zip").is_dir()


def test_fetch_past_the_limit_stops(server: Server, get: Callable[..., Path]) -> None:
    for server.has_length in (True, False):
        with pytest.raises(DataError, match="holds more than 1,000,000 bytes, the most that is taken"):
            get(f"{server.address}/a.bin", limits=SourceLimits(max_bytes=1_000_000))


def test_fetch_on_a_full_disk_passes_the_error_and_goes_on_later(server: Server, get: Callable[..., Path]) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            get(f"{server.address}/a.bin")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert get(f"{server.address}/a.bin", checksum=SHA256).read_bytes() == CONTENT
    assert server.asked[-1][1] is not None


def test_fetch_shows_no_secret(server: Server, get: Callable[..., Path]) -> None:
    port = server.address.rpartition(":")[2]
    server.statuses = [403]
    with pytest.raises(DataError) as caught:
        get(f"http://me:pa55word@127.0.0.1:{port}/a.bin?token=s3cret")
    assert f"'http://127.0.0.1:{port}/a.bin': the server answered 403" in str(caught.value)
    with pytest.raises(DataError) as refused:
        get("http://me:pa55word@127.0.0.1:9/a.bin?token=s3cret")
    assert "Connection refused" in str(refused.value)
    assert not re.search("pa55word|s3cret|me@", f"{caught.value}{refused.value}")


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://me:pw@h.org:80/a@2x.zip?k=v#f", "https://h.org:80/a@2x.zip"),
        ("sftp://me:p/w?@h.org/a", "sftp://h.org/a"),
        ("s3://bucket/a b/c", "s3://bucket/a b/c"),
        ("http://h.org:8000/x?mail=a@b", "http://h.org:8000/x"),
    ],
)
def test_shown_leaves_out_user_password_and_query(url: str, public: str) -> None:
    assert shown(url) == public
    assert scrub(f"cannot get {url}, sorry", url) == f"cannot get {public}, sorry"


def test_cache_key_knows_containers_but_no_passwords() -> None:
    assert cache_key("abfss://a@account/x") != cache_key("abfss://b@account/x")
    assert cache_key("http://me:1@h/x") == cache_key("http://me:2@h/x") != cache_key("http://h/x?id=1")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.zip?x=/c", "b.zip"),
        ("http://h/..%2F..%2Fetc%2Fpasswd", "_.._etc_passwd"),
        ("http://h/%2e%2e", "download"),
        ("http://h", "download"),
        ("s3://bucket/photos/", "photos"),
        ("http://h/" + "a" * 300 + ".zip", "a" * 196 + ".zip"),
    ],
)
def test_file_name_is_safe(url: str, name: str) -> None:
    assert file_name(url) == name


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def test_fetch_of_a_remote_file_goes_on_where_it_stopped(
    memory: fsspec.AbstractFileSystem, get: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/bucket/a.bin", CONTENT)
    opened, offsets = type(memory).open, []

    class Dropping:
        def __init__(self, file: object) -> None:
            self._file = file

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

        def seek(self, offset: int) -> None:
            offsets.append(offset)
            self._file.seek(offset)

        def read(self, size: int) -> bytes:
            if self._file.tell() > offsets[-1]:
                raise ConnectionResetError("reset by peer")
            return self._file.read(size)

    monkeypatch.setattr(type(memory), "open", lambda *args, **named: Dropping(opened(*args, **named)))
    assert get("memory://bucket/a.bin", checksum=SHA256).read_bytes() == CONTENT
    assert offsets == [0, 1 << 20, 2 << 20]


def test_fetch_of_a_remote_folder(memory: fsspec.AbstractFileSystem, get: Callable[..., Path]) -> None:
    files = {f"{kind}/{n}.txt": os.urandom(n) for kind in ("cat", "dog") for n in range(1, 200)}
    for name, content in files.items():
        memory.pipe(f"/bucket/photos/{name}", content)
    folder = get("memory://bucket/photos/")
    assert {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.txt")} == files
    memory.store.clear()
    assert get("memory://bucket/photos/") == folder
    assert kept(folder.parent) == sorted([".photos.json", *(Path(name).name for name in files)])


def test_fetch_of_a_remote_folder_brings_only_what_is_missing(
    memory: fsspec.AbstractFileSystem, get: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(600):
        memory.pipe(f"/bucket/photos/{n:03}.txt", b"x" * n)
    got, brought = type(memory).get, []

    def dropping(self: object, sources: list[str], targets: list[str]) -> None:
        if brought and len(brought) < 3:
            brought.append("drop")
            raise ConnectionResetError("reset by peer")
        brought.append(len(sources))
        got(self, sources, targets)

    monkeypatch.setattr(type(memory), "get", dropping)
    folder = get("memory://bucket/photos")
    assert sum(path.stat().st_size for path in folder.iterdir()) == sum(range(600))
    assert brought == [256, "drop", "drop", 256, 88]


@pytest.mark.parametrize(
    ("url", "extra"), [("s3://b/a", "s3"), ("gs://b/a", "gs"), ("az://b/a", "az"), ("sftp://u:pw@h/a", "sftp")]
)
def test_fetch_without_the_client_names_the_extra(get: Callable[..., Path], url: str, extra: str) -> None:
    client = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "sftp": "paramiko"}[extra]
    try:
        __import__(client)
    except ImportError:
        pass
    else:
        pytest.skip(f"{client} is installed")
    with pytest.raises(
        ConfigError, match=rf"^params.yaml: ingest.source: [^\n]*; install headrace\[{extra}\]$"
    ) as told:
        get(url)
    assert "pw" not in str(told.value)
