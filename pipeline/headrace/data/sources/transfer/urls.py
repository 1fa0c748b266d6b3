"""URLs of sources: validation, redaction of secrets, and names in the cache."""

from __future__ import annotations

import re
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from headrace.errors import ConfigError

URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
WEB = ("http", "https")
MAX_NAME_BYTES = 200


def get_scheme(source: str) -> str | None:
    """Returns `s3` for `s3://bucket/photos`, and None for anything but a URL."""
    match = URL.match(source)
    return match[1].lower() if match else None


def check_url(url: str) -> None:
    """Raises ConfigError for a URL without a host or path, and for chained URLs (`::` of fsspec)."""
    where = f"params.yaml: ingest.source: {redact_url(url)!r}"
    if "::" in url and URL.search(url.partition("::")[2]):
        raise ConfigError(
            f"{where}: chains URLs with '::', which is not supported; give the archive, it is unpacked automatically"
        )
    try:
        host = urlsplit(url).hostname if get_scheme(url) in WEB else url.partition("://")[2]
    except ValueError as error:
        raise ConfigError(f"{where}: not a valid URL ({redact_message(str(error), url)}); correct it") from None
    if not host:
        raise ConfigError(f"{where}: has no host; must be like https://example.org/photos.zip; correct it")


def redact_url(url: str) -> str:
    """Removes user, password, query and fragment, for errors and logs.

    >>> redact_url("https://me:secret@example.org/a.zip?token=1")
    'https://example.org/a.zip'
    """
    place = re.split(r"[?#]", _split_user(url)[1], maxsplit=1)[0]
    return f"{url.partition('://')[0]}://{place}"


def redact_message(text: str, url: str) -> str:
    """Returns the message of a library as one line, without what `redact_url` removes."""
    line = " ".join(text.split()).replace(url, redact_url(url))
    line = re.sub(r"://[^/\s@]*@", "://", line)
    line = re.sub(r"\?[^\s'\")]*", "", line)
    secret = _password(url)
    for form in {secret, unquote(secret)} - {""}:
        line = line.replace(form, "***")
    return line[:300]


def make_cache_key(url: str) -> str:
    """Returns 16 hexadecimal digits that identify the URL, regardless of the password."""
    secret = _password(url)
    public = url.replace(f":{secret}@", "@", 1) if secret else url
    return sha256(public.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def make_file_name(url: str) -> str:
    """Returns the name of a downloaded file: the last part of the URL's path, made safe for a file system."""
    path = redact_url(url).partition("://")[2].rstrip("/")
    name = path.rpartition("/")[2] if "/" in path else ""
    name = re.sub(r"[/\\\x00-\x1f]", "_", unquote(name) if get_scheme(url) in WEB else name).lstrip(".")
    while len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
        name = name[1:]  # keeps the extension
    return name or "download"


def _password(url: str) -> str:
    return _split_user(url)[0].partition(":")[2]


def _split_user(url: str) -> tuple[str, str]:
    """Splits a URL into user with password, and the rest from the host on."""
    rest = url.partition("://")[2]
    match = re.match(r"([^/?#]*)@", rest)
    if not match and re.match(r"[^/?#]*:(?!\d*([/?#]|$))", rest):  # not a port: a password with / ? or #
        match = re.match(r"(.*)@", rest, re.DOTALL)
    return (match[1], rest[match.end() :]) if match else ("", rest)
