"""A web server on loopback that can drop, refuse, change and ignore ranges."""

import hashlib
import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random

CONTENT = Random(0).randbytes(3_000_000)
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What the server does, as a test sets it, and the requests that it received."""

    def __init__(self) -> None:
        self.content, self.tag = CONTENT, '"v1"'
        self.statuses: list[int] = []
        self.drop_after: list[int] = []
        self.has_ranges = self.has_if_range = self.has_length = True
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.address = ""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        serve: Server = self.server.state  # type: ignore[attr-defined]
        wanted = self.headers.get("Range")
        serve.requests.append((self.path, wanted))
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


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".lock"))
