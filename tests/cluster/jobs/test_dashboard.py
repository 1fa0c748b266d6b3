"""The dashboard: addresses and servers that are refused in one line."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace.cluster.jobs.dashboard import check_address, download_beside_log
from headrace.errors import ClusterError


class Stranger(BaseHTTPRequestHandler):
    """A server that is not Ray."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        if "filename=empty" not in self.path:
            self.wfile.write(b"<html>hello")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def refusal(address: str) -> str:
    with pytest.raises(ClusterError) as caught:
        check_address(address)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_closed_port_is_refused_in_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert refusal(address).startswith(f"{address}: not reachable (")


def test_another_server_is_refused_in_one_line(stranger: str) -> None:
    assert "is not a Ray dashboard" in refusal(stranger)


@pytest.mark.parametrize("address", ["127.0.0.1:8265", "auto", "some_module://x", "http://"])
def test_an_invalid_address_is_refused_in_one_line(address: str) -> None:
    assert refusal(address).startswith("--address: ")


def test_a_password_in_the_address_is_refused_without_printing_it() -> None:
    assert "hunter2" not in refusal("http://me:hunter2@127.0.0.1:1")


@pytest.mark.parametrize(("filename", "exists"), [("empty", False), ("results", True)])
def test_an_answer_without_a_byte_is_no_file(stranger: str, tmp_path: Path, filename: str, exists: bool) -> None:
    client = SimpleNamespace(_address=stranger, _headers={})
    node = SimpleNamespace(driver_node_id="0")
    assert download_beside_log(client, node, filename, tmp_path / filename) is exists
    assert (tmp_path / filename).stat().st_size == 11 * exists
