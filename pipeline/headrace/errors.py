"""The mistakes that Headrace tells its users about: one class per kind, one line each."""

from collections.abc import Iterable
from difflib import get_close_matches


class HeadraceError(Exception):
    """A refusal told in one line: where, what is wrong, what is allowed, what to do. Exit code 2."""

    exit_code = 2


class ConfigError(HeadraceError):
    """The settings (`params.yaml`, options, environment) cannot be used."""


class DataError(HeadraceError):
    """The data, or a file of the project, cannot be used."""


class GateError(HeadraceError):
    """A model did not pass a gate that the settings ask for. Exit code 3."""

    exit_code = 3


class ClusterError(HeadraceError):
    """Ray, or the machines under it, cannot do what was asked."""


class TrackingError(HeadraceError):
    """MLflow cannot be reached or refuses."""


class Terminated(BaseException):
    """SIGTERM came. A SystemExit would do, but Ray turns one inside `ray.get` into exit code 1, without clean-up."""


def choices(got: str, allowed: Iterable[str]) -> str:
    """Tells what is allowed, and which of it was probably meant.

    >>> choices("resnt", ["cnn", "resnet"])
    "choose one of ['cnn', 'resnet'] (did you mean 'resnet'?)"
    """
    names = sorted(allowed)
    close = get_close_matches(got, names, n=1)
    return f"choose one of {names}" + (f" (did you mean {close[0]!r}?)" if close else "")
