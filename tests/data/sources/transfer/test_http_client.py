import gzip
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from headrace.data.sources.limits import SourceLimits
from headrace.errors import DataError
from tests.data.sources.server import CONTENT, SHA256, Server
from tests.image_server import send, serve_images


@pytest.mark.parametrize(
    "change", [{"has_ranges": False}, {"tag": ""}, {"tag": 'W/"weak"'}], ids=["no ranges", "no tag", "weak tag"]
)
def test_download_starts_again_if_the_server_cannot_resume(
    server: Server, get: Callable[..., Path], change: dict[str, object]
) -> None:
    vars(server).update(change)
    server.drop_after = [1_000_000]
    assert get(f"{server.address}/a.bin").read_bytes() == CONTENT


def test_download_resumes_by_the_time_of_the_last_change(server: Server, get: Callable[..., Path]) -> None:
    server.tag, server.has_if_range = "", False
    server.headers = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
    server.drop_after = [1_000_000]
    assert get(f"{server.address}/a.bin").read_bytes() == CONTENT
    assert server.requests[-1][1] is not None


@pytest.mark.parametrize("has_if_range", [True, False])
@pytest.mark.parametrize("size", [3_000_000, 2_900_000])
def test_download_of_changed_content_starts_again(
    server: Server, get: Callable[..., Path], has_if_range: bool, size: int
) -> None:
    server.drop_after = [800_000, 0, 0, 0]
    with pytest.raises(DataError):
        get(f"{server.address}/a.bin")
    server.drop_after.clear()
    server.content, server.tag, server.has_if_range = Random(1).randbytes(size), '"v2"', has_if_range
    assert get(f"{server.address}/a.bin").read_bytes() == server.content


def test_download_without_a_length_reads_to_the_end(server: Server, get: Callable[..., Path]) -> None:
    server.has_length = False
    assert get(f"{server.address}/a.bin", checksum=SHA256).read_bytes() == CONTENT


def test_download_retries_while_the_server_is_busy(server: Server, get: Callable[..., Path]) -> None:
    server.statuses = [503, 500]
    assert get(f"{server.address}/a.bin").read_bytes() == CONTENT
    server.statuses = [503] * 3
    with pytest.raises(DataError, match=r"the server answered 503 [^\n]*, 3 times in a row"):
        get(f"{server.address}/b.bin")


def test_download_of_a_missing_file_is_not_retried(server: Server, get: Callable[..., Path]) -> None:
    server.statuses = [404]
    with pytest.raises(DataError, match="the server answered 404 Not Found: no such file there; correct the URL$"):
        get(f"{server.address}/a.bin")
    assert len(server.requests) == 1


def test_download_does_not_decode_the_content_encoding(server: Server, get: Callable[..., Path]) -> None:
    server.headers = {"Content-Encoding": "gzip"}  # as some servers say of any .gz file
    server.content = gzip.compress(CONTENT)
    assert get(f"{server.address}/a-ubyte.gz").read_bytes() == server.content


def test_errors_contain_no_secret(server: Server, get: Callable[..., Path]) -> None:
    port = server.address.rpartition(":")[2]
    server.statuses = [403]
    with pytest.raises(DataError) as caught:
        get(f"http://me:pa55word@127.0.0.1:{port}/a.bin?token=s3cret")
    assert f"'http://127.0.0.1:{port}/a.bin': the server answered 403" in str(caught.value)
    with pytest.raises(DataError) as refused:
        get("http://me:pa55word@127.0.0.1:9/a.bin?token=s3cret")
    assert "Connection refused" in str(refused.value)
    assert not re.search("pa55word|s3cret|me@", f"{caught.value}{refused.value}")


def test_redirects_stay_on_the_host_that_the_user_named(get: Callable[..., Path]) -> None:
    with serve_images() as site:
        site.put("/b.bin", b"content")
        inside = site.url.replace("127.0.0.1", "localhost")
        own = site.put("/own", lambda handler: send(handler, b"", status=302, Location="/b.bin"))
        other = site.put("/other", lambda handler: send(handler, b"", status=302, Location=f"{inside}/b.bin"))
        assert get(own).read_bytes() == b"content"
        with pytest.raises(DataError, match=r"/other': leads to another address: localhost \(127.0.0.1\) is"):
            get(other)
        limits = SourceLimits(allow_private_addresses=True)
        assert get(other, limits=limits).read_bytes() == b"content"
