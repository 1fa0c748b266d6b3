"""A local web server for tests, with responses that a test defines."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class ImageServer:
    """Serves `pages`: path -> bytes, or a function of the handler that writes the response itself."""

    def __init__(self, url, is_over):
        self.url, self.is_over = url, is_over
        self.pages, self.requested, self.headers = {}, [], []

    def put(self, path, response):
        self.pages[path] = response
        return self.url + path


@contextmanager
def serve_images():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = urlsplit(self.path).path
            site.requested.append(path)
            site.headers.append(dict(self.headers))
            response = site.pages.get(path)
            if callable(response):
                response(self)
            else:
                send(self, response or b"", status=200 if response is not None else 404)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.is_over = threading.Event()  # ends slow responses
    site = ImageServer(f"http://127.0.0.1:{server.server_port}", server.is_over)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler, body, status=200, kind="image/png", **headers):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
