"""Files by http and https: one range of bytes after another, from a server that may drop, refuse or change them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace import __version__
from headrace.data.sources.transfer.resume import PartialDownload, RemoteContent, TransientDownloadError
from headrace.data.sources.transfer.urls import scrub
from headrace.errors import ConfigError, DataError

if TYPE_CHECKING:
    from requests import Response

TIMEOUT_S = (10, 60)
"""To connect, and between two bytes."""
CHUNK = 1 << 17
OK, PARTIAL, RANGE_REFUSED = 200, 206, 416
BUSY = (408, 425, 429, 500, 502, 503, 504)
REFUSED = (401, 403, 407)
GONE = (404, 410)


@contextmanager
def open_web(url: str, where: str, known: PartialDownload) -> Iterator[RemoteContent]:
    """Asks for what follows the known bytes, or for all where the server cannot tell that they are still the same.

    RFC 9110, 13.1.5 (If-Range) and 14 (ranges). Bytes are taken as they are sent: a server that calls a .gz file an
    encoding does not have it unpacked.
    """
    with _get(url, where, known) as response:
        version, total = _version(response), _length(response)
        if response.status_code == OK:
            yield RemoteContent(version, 0, total, _chunks(response, url))
            return
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        whole = int(match[2]) if match and match[2] != "*" else None
        same = match and int(match[1]) == known.num_bytes and version in {known.version, None}
        if response.status_code == PARTIAL and same and (known.total is None or whole == known.total):
            yield RemoteContent(known.version, known.num_bytes, whole, _chunks(response, url))
            return
    if not known.num_bytes:
        raise DataError(f"{where}: the server answered {response.status_code} with a part; fetch it yourself")
    with open_web(url, where, PartialDownload()) as answer:  # the content changed, though the server did not say so
        yield answer


def _get(url: str, where: str, known: PartialDownload) -> Response:
    import requests

    headers = {"Accept-Encoding": "identity", "User-Agent": f"headrace/{__version__}"}
    if known.num_bytes and known.version:
        headers |= {"Range": f"bytes={known.num_bytes}-", "If-Range": known.version}
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S)
    except requests.exceptions.SSLError as error:
        raise DataError(f"{where}: its certificate is not trusted ({_reason(error, url)}); mend the address") from None
    except (requests.ConnectionError, requests.Timeout) as error:
        raise TransientDownloadError(f"cannot be reached ({_reason(error, url)})") from None
    except (requests.RequestException, UnicodeError) as error:
        raise ConfigError(f"{where}: cannot be asked for ({_reason(error, url)}); mend the address") from None
    _check_status(response, where)
    return response


def _check_status(response: Response, where: str) -> None:
    status = response.status_code
    if status in {OK, PARTIAL, RANGE_REFUSED}:
        return
    answer = f"the server answered {status} {str(response.reason or '')[:60]}".strip()
    response.close()
    if status in BUSY:
        raise TransientDownloadError(answer)
    if status in REFUSED:
        raise DataError(f"{where}: {answer}; it needs access; give it in the URL, or fetch the file yourself")
    if status in GONE:
        raise DataError(f"{where}: {answer}: no such file there; mend the address")
    raise DataError(f"{where}: {answer}; a file is needed; mend the address, or fetch the file yourself")


def _chunks(response: Response, url: str) -> Iterator[bytes]:
    from urllib3.exceptions import HTTPError

    try:
        yield from response.raw.stream(CHUNK, decode_content=False)
    except (HTTPError, OSError) as error:
        raise TransientDownloadError(f"the connection broke ({_reason(error, url)})") from None


def _version(response: Response) -> str | None:
    """A strong ETag, else the time of the last change: what If-Range takes."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _length(response: Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Transfer-Encoding" not in response.headers else None


def _reason(error: BaseException, url: str) -> str:
    """The innermost cause, such as `Connection refused`, without the URL and its secrets."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return scrub(text, url) or type(error).__name__


def is_page(head: bytes) -> bool:
    """Whether a file begins as a web page does, such as the log-in page that stands before it."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))
