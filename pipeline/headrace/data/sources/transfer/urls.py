"""URLs of sources: told without their secrets, and named in the cache."""

from __future__ import annotations

import re
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from headrace.errors import ConfigError

URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
WEB = ("http", "https")
MAX_NAME_BYTES = 200


def scheme_of(source: str) -> str | None:
    """`s3` of `s3://bucket/photos`; None of what is no URL."""
    match = URL.match(source)
    return match[1].lower() if match else None


def check_url(url: str) -> None:
    """Raises ConfigError for a URL without a host or file, and for one that chains several (fsspec's `::`)."""
    where = f"params.yaml: ingest.source: {shown(url)!r}"
    if "::" in url and URL.search(url.partition("::")[2]):
        raise ConfigError(
            f"{where}: chains URLs with '::'; one URL is read; name the archive, it is unpacked by itself"
        )
    try:
        host = urlsplit(url).hostname if scheme_of(url) in WEB else url.partition("://")[2]
    except ValueError as error:
        raise ConfigError(f"{where}: no URL ({scrub(str(error), url)}); mend it") from None
    if not host:
        raise ConfigError(f"{where}: names no host; must be like https://example.org/photos.zip; mend it")


def shown(url: str) -> str:
    """The URL without user, password, query and fragment: what errors and logs may hold.

    >>> shown("https://me:secret@example.org/a.zip?token=1")
    'https://example.org/a.zip'
    """
    place = re.split(r"[?#]", _split_user(url)[1], maxsplit=1)[0]
    return f"{url.partition('://')[0]}://{place}"


def scrub(text: str, url: str) -> str:
    """One line of a library's message, without what `shown` leaves out."""
    line = " ".join(text.split()).replace(url, shown(url))
    line = re.sub(r"://[^/\s@]*@", "://", line)
    line = re.sub(r"\?[^\s'\")]*", "", line)
    secret = _password(url)
    for form in {secret, unquote(secret)} - {""}:
        line = line.replace(form, "***")
    return line[:300]


def cache_key(url: str) -> str:
    """Sixteen hexadecimal digits that tell URLs apart, whoever's password they hold."""
    secret = _password(url)
    public = url.replace(f":{secret}@", "@", 1) if secret else url
    return sha256(public.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def file_name(url: str) -> str:
    """The name that a download gets: the last part of the URL's path, made safe for a file system."""
    path = shown(url).partition("://")[2].rstrip("/")
    name = path.rpartition("/")[2] if "/" in path else ""
    name = re.sub(r"[/\\\x00-\x1f]", "_", unquote(name) if scheme_of(url) in WEB else name).lstrip(".")
    while len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
        name = name[1:]  # the suffix, which tells the format, is at the end
    return name or "download"


def _password(url: str) -> str:
    return _split_user(url)[0].partition(":")[2]


def _split_user(url: str) -> tuple[str, str]:
    """What stands before the host's @, and what follows it."""
    rest = url.partition("://")[2]
    match = re.match(r"([^/?#]*)@", rest)
    if not match and re.match(r"[^/?#]*:(?!\d*([/?#]|$))", rest):  # no port: a password that holds / ? or # itself
        match = re.match(r"(.*)@", rest, re.DOTALL)
    return (match[1], rest[match.end() :]) if match else ("", rest)
