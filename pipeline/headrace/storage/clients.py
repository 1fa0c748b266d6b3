"""Clients of other file systems, by fsspec: found by the URL's scheme, their errors told as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace.errors import ConfigError, DataError, HeadraceError
from headrace.storage.transfer import DroppedError
from headrace.storage.troubles import LOCAL_ERRNOS
from headrace.storage.urls import scheme_of, scrub

EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az",
    "sftp": "sftp", "ssh": "sftp",
}  # fmt: skip
"""URL scheme -> the extra of this package that brings its client."""


def open_client(url: str, where: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it; ConfigError when its client is not installed."""
    from fsspec.core import url_to_fs

    scheme = str(scheme_of(url))
    try:
        files, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        reason = scrub(str(error), url)
        if scheme in EXTRAS and (isinstance(error, ImportError) or "not known" in reason):
            reason = f"reading {scheme}:// takes a client that is not installed; install headrace[{EXTRAS[scheme]}]"
        elif isinstance(error, ImportError):
            reason = f"reading {scheme}:// takes a client that is not installed ({reason}); install it"
        else:
            reason = f"not a URL that is read ({reason}); choose one of {['http', 'https', 'file', *EXTRAS]}"
        raise ConfigError(f"{where}: {reason}") from None
    except Exception as error:  # noqa: BLE001 - each client raises classes of its own
        raise DataError(f"{where}: {_trouble(error, url)}; look at the address and your access") from None
    return files, path.rstrip("/") or path


@contextmanager
def told(url: str, where: str) -> Iterator[None]:
    """Turns what a client raises into DataError, or DroppedError where another try may help.

    Troubles of this machine's disk pass as they are.
    """
    try:
        yield
    except (HeadraceError, DroppedError):
        raise
    except FileNotFoundError:
        raise DataError(f"{where}: no such file or folder there; mend the address") from None
    except PermissionError as error:
        raise DataError(f"{where}: {_trouble(error, url)}; it needs access; give your credentials") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in LOCAL_ERRNOS:
            raise
        raise DroppedError(_trouble(error, url)) from None


def _trouble(error: Exception, url: str) -> str:
    return f"cannot be read ({type(error).__name__}: {scrub(str(error), url)})"
