"""Errors that are the user's to fix: one class per kind, each printed as one line."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches

USER_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})
"""Errors of the operating system that the user can fix: no space left, or no access."""


class HeadraceError(Exception):
    """An error that the user can fix, in one line: where, what is wrong, what is allowed, what to do. Exit code 2."""

    exit_code = 2


class ConfigError(HeadraceError):
    """The settings (`params.yaml`, options, environment) are invalid."""


class DataError(HeadraceError):
    """The data, or a file of the project, are missing or invalid."""


class GateError(HeadraceError):
    """A model failed a gate that the settings require. Exit code 3."""

    exit_code = 3


class ClusterError(HeadraceError):
    """Ray, or the machines under it, cannot do what is required."""


class TrackingError(HeadraceError):
    """MLflow is unreachable or refuses a request."""


class Terminated(BaseException):
    """SIGTERM arrived; its notes say what the same command will do.

    Not SystemExit, which Ray turns into exit code 1 inside `ray.get`, without clean-up.
    """

    exit_code = 143
    description = "terminated"


class Interrupted(Terminated):
    """Ctrl-C (SIGINT) arrived during a stage. Not KeyboardInterrupt, which Lightning turns into exit code 1."""

    exit_code = 130
    description = "interrupted"


def choices(got: str, allowed: Iterable[str]) -> str:
    """Lists what is allowed, and the closest match to what was given.

    >>> choices("resnt", ["cnn", "resnet"])
    "choose one of ['cnn', 'resnet'] (did you mean 'resnet'?)"
    """
    names = sorted(allowed)
    close = get_close_matches(got, names, n=1)
    return f"choose one of {names}" + (f" (did you mean {close[0]!r}?)" if close else "")
