"""Errors of workers: in a form that reaches the caller, and the one of several that caused the others."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator

from headrace.cluster.session import is_attached
from headrace.errors import ClusterError, HeadraceError

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SOURCE_LINE = re.compile(r"\[\S+\.(?:cc|cpp|h|hpp):\d+\] ?")
"""Place in torch's own sources."""
MAX_CHARACTERS = 400
COLLECTIVES = re.compile(r"gloo|nccl|tcpstore|c10d", re.IGNORECASE)
DISCONNECTED = re.compile(
    r"connect|closed|reset|refused|unreachable|broken pipe|timed ?out|timeout|no route|remote|socket", re.IGNORECASE
)
WRAPPERS = ("_base_exc", "controller_failure", "health_check_failure", "cause")
"""Attributes of Ray's exceptions that hold the exception inside."""


class WorkerBug(Exception):  # noqa: N818 a bug keeps its traceback, which is its text
    """An unexpected error on a worker, as the text of its traceback.

    An exception of a user's own class may not survive the way to another process: unpickling calls the class with its
    message alone, and needs its module.
    """


class LostConnectionError(ClusterError):
    """A worker could not exchange data with another, most often because that one had ended."""


def make_portable(error: Exception) -> Exception:
    """Returns the error in a form that every process can unpickle.

    User errors keep their class. Those of gloo and NCCL become LostConnectionError, all others WorkerBug.
    """
    if isinstance(error, LostConnectionError | WorkerBug):
        return error
    if isinstance(error, HeadraceError):
        known = next(base for base in type(error).__mro__ if base.__module__ == HeadraceError.__module__)
        portable: Exception = known(str(error))
        return portable
    if isinstance(error, OSError):
        return error if type(error).__module__ == "builtins" else OSError(str(error))
    if is_lost_connection(error):
        return LostConnectionError(to_one_line(error))
    return WorkerBug("".join(traceback.format_exception(error)).rstrip())


def is_lost_connection(error: Exception) -> bool:
    """Whether gloo, NCCL or torch's store failed to reach another worker; they raise RuntimeError and subclasses."""
    text = str(error)
    is_collective = type(error).__name__.startswith("Dist") or COLLECTIVES.search(text)
    return isinstance(error, RuntimeError) and bool(is_collective) and bool(DISCONNECTED.search(text))


def to_one_line(error: object) -> str:
    """Returns the message in one line of bounded length, without colours and places in the sources of torch."""
    text = " ".join(SOURCE_LINE.sub("", COLOURS.sub("", str(error))).split())
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."


def find_root_cause(error: Exception) -> Exception:
    """Returns the error of a worker that caused the others, ready to be raised.

    User errors come first, then bugs, then lost workers, then lost connections: when one worker ends, the others fail
    to reach it.
    """
    _, cause = min((_classify(place, cause) for place, cause in _causes(error)), key=lambda ranked: ranked[0])
    return cause


def _causes(error: Exception) -> Iterator[tuple[str, Exception]]:
    """Yields the errors that an exception of Ray carries, each with the rank it is from, such as "rank 1: "."""
    by_rank = getattr(error, "worker_failures", {})
    if not by_rank:
        yield "", _innermost(error)
    for rank, failure in sorted(by_rank.items()):
        yield f"rank {rank}: ", _innermost(failure)


def _innermost(error: Exception) -> Exception:
    inner = next((cause for name in WRAPPERS if isinstance(cause := getattr(error, name, None), Exception)), None)
    return error if inner is None else _innermost(inner)


def _classify(place: str, cause: Exception) -> tuple[int, Exception]:
    """Returns the precedence of an error, and the error to raise for it."""
    if isinstance(cause, LostConnectionError) or is_lost_connection(cause):
        return 3, ClusterError(
            f"ray: {place}a connection between workers failed ({to_one_line(cause)}); check that all nodes are up and "
            "reach each other at their addresses in `ray list nodes`, then run the same command again"
        )
    if type(cause).__module__.startswith("ray."):  # these have several base classes, and not all are public
        return 2, ClusterError(f"ray: {place}{_describe_loss(cause)}")
    return (0 if isinstance(cause, HeadraceError | OSError) else 1), cause


def _describe_loss(cause: Exception) -> str:
    text = to_one_line(cause)
    node = re.search(r"\bip: (\S+) ", text)
    reason = text[node.end() :] if node else text  # before it stand Ray's numbers of the actor
    if "node has died" in text or "Node is dead" in text:
        name = node[1] if node else "of a worker"
        return f"the node {name} died or is out of reach ({reason}); the same command goes on from the last checkpoint"
    if "low on memory" in text:
        return f"a worker was lost ({reason}); choose a smaller train.batch_size, or machines with more memory"
    name = node[1] if node else "its node"
    return (
        f"a worker was lost ({reason}); check the memory of {name} and {_log_place()}, then run the same command again"
    )


def _log_place() -> str:
    return "the logs of that node (`ray logs`)" if is_attached() else ".headrace/logs/ray"
