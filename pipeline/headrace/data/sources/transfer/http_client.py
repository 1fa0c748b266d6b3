"""Downloads by http and https, which resume with range requests if the server supports them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace import __version__
from headrace.data.sources.transfer.addresses import PrivateAddressError, open_session
from headrace.data.sources.transfer.resume import PartialDownload, RemoteContent, TransientDownloadError
from headrace.data.sources.transfer.urls import redact_message
from headrace.errors import ConfigError, DataError

if TYPE_CHECKING:
    from requests import Response

TIMEOUT_S = (10, 60)
"""For connecting, and between two bytes."""
CHUNK = 1 << 17
OK, PARTIAL, RANGE_REFUSED = 200, 206, 416
BUSY = (408, 425, 429, 500, 502, 503, 504)
REFUSED = (401, 403, 407)
GONE = (404, 410)


@contextmanager
def open_url(url: str, where: str, partial: PartialDownload, *, allow_private: bool = False) -> Iterator[RemoteContent]:
    """Requests the bytes that are missing, or all if the server cannot confirm that the file is unchanged.

    `allow_private`: whether redirects may lead to this machine and its network.

    See RFC 9110, 13.1.5 (If-Range) and 14 (ranges). Bytes are stored as sent: a .gz file that a server declares as an
    encoding is not decompressed.
    """
    with _get(url, where, partial, allow_private=allow_private) as response:
        version, total = _version(response), _length(response)
        if response.status_code == OK:
            yield RemoteContent(version, 0, total, _read_chunks(response, url))
            return
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        length = int(match[2]) if match and match[2] != "*" else None
        same = match and int(match[1]) == partial.num_bytes and version in {partial.version, None}
        if response.status_code == PARTIAL and same and (partial.total is None or length == partial.total):
            yield RemoteContent(partial.version, partial.num_bytes, length, _read_chunks(response, url))
            return
    if not partial.num_bytes:
        raise DataError(f"{where}: the server answered {response.status_code} with a part; download the file yourself")
    with open_url(url, where, PartialDownload(), allow_private=allow_private) as content:  # it changed in silence
        yield content


def is_web_page(head: bytes) -> bool:
    """Whether a file begins like a web page, such as a login page in front of the file."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))


def _get(url: str, where: str, partial: PartialDownload, *, allow_private: bool) -> Response:
    import requests

    headers = {"Accept-Encoding": "identity", "User-Agent": f"headrace/{__version__}"}
    if partial.num_bytes and partial.version:
        headers |= {"Range": f"bytes={partial.num_bytes}-", "If-Range": partial.version}
    try:
        with open_session(urlsplit(url).hostname, allow_private=allow_private) as session:
            response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S)
    except PrivateAddressError as error:
        raise DataError(f"{where}: leads to another address: {error}") from None
    except requests.exceptions.SSLError as error:
        raise DataError(f"{where}: its certificate is not trusted ({_reason(error, url)}); correct the URL") from None
    except (requests.ConnectionError, requests.Timeout) as error:
        raise TransientDownloadError(f"cannot be reached ({_reason(error, url)})") from None
    except (requests.RequestException, UnicodeError) as error:
        raise ConfigError(f"{where}: cannot be requested ({_reason(error, url)}); correct the URL") from None
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
        raise DataError(f"{where}: {answer}; access is denied; put credentials into the URL, or download it yourself")
    if status in GONE:
        raise DataError(f"{where}: {answer}: no such file there; correct the URL")
    raise DataError(f"{where}: {answer} instead of a file; correct the URL, or download the file yourself")


def _read_chunks(response: Response, url: str) -> Iterator[bytes]:
    from urllib3.exceptions import HTTPError

    try:
        yield from response.raw.stream(CHUNK, decode_content=False)
    except (HTTPError, OSError) as error:
        raise TransientDownloadError(f"the connection broke ({_reason(error, url)})") from None


def _version(response: Response) -> str | None:
    """Returns the validator for If-Range: a strong ETag, or the time of the last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _length(response: Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Transfer-Encoding" not in response.headers else None


def _reason(error: BaseException, url: str) -> str:
    """Returns the innermost cause, such as `Connection refused`, without the URL and its secrets."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return redact_message(text, url) or type(error).__name__
