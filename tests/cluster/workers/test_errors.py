"""Errors of workers: they survive the way to another process, and the line names the cause."""

import pickle

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback, WorkerHealthCheckFailedError
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

from headrace.cluster.workers import errors as module
from headrace.cluster.workers.errors import LostConnectionError, WorkerBug, find_root_cause, make_portable, to_one_line
from headrace.errors import ClusterError, ConfigError, DataError

CLOSED = RuntimeError("[/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [10.0.0.3]:41")
REFUSED = RuntimeError(
    "Gloo connectFullMesh failed with [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:144] timed out connecting: "
    "SO_ERROR: Connection refused, remote=[127.0.0.1]:36587"
)


class TwoArguments(Exception):  # noqa: N818
    def __init__(self, column, row):
        super().__init__(f"{column} in row {row}")


class OwnConfigError(ConfigError):
    def __init__(self, key, value):
        super().__init__(f"params.yaml: {key}: {value!r}")


class OwnOSError(OSError):
    pass


def caught(error):
    try:
        raise error  # noqa: TRY301
    except Exception as raised:  # noqa: BLE001
        return raised


def died(message):
    error = ActorDiedError()
    error.error_msg = f"The actor died.\n\tclass_name: RayTrainWorker\n\tpid: 7\n\tip: 10.0.0.3\n{message}"
    return WorkerHealthCheckFailedError("A worker health check failed.\nWorker info: many lines", error)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (DataError("data: is bad"), DataError, "data: is bad"),
        (OwnConfigError("train.model", 3), ConfigError, "params.yaml: train.model: 3"),
        (FileNotFoundError(2, "No such file", "words.txt"), FileNotFoundError, "words.txt"),
        (OwnOSError("a device"), OSError, "a device"),
        (CLOSED, LostConnectionError, "Connection closed by peer [10.0.0.3]:41"),
        (TwoArguments("age", 5), WorkerBug, "TwoArguments: age in row 5"),
        (RuntimeError("gloo is a word of a user"), WorkerBug, "a word of a user"),
    ],
)
def test_errors_survive_the_way_to_another_process(error, kind, text):
    arrived = pickle.loads(pickle.dumps(make_portable(caught(error))))
    assert type(arrived) is kind
    assert text in str(arrived)
    assert make_portable(arrived) is arrived or str(make_portable(arrived)) == str(arrived)


def test_a_bug_keeps_its_traceback():
    assert "in caught" in str(make_portable(caught(TwoArguments("age", 5))))


def test_connection_refused_at_the_start_is_named_without_colours():
    task_error = RayTaskError("execute", "Traceback \n many lines", REFUSED, "ray::worker", 7, "10.0.0.2")
    cause = find_root_cause(ControllerError(task_error.as_instanceof_cause()))
    assert isinstance(cause, ClusterError)
    assert "Connection refused, remote=[127.0.0.1]:36587" in str(cause)
    assert "\x1b" not in str(cause)
    assert "\n" not in str(cause)
    assert "memory" not in str(cause)


def test_user_error_of_any_rank_comes_first():
    failures = {0: LostConnectionError("closed"), 1: died("killed"), 2: DataError("data: is bad")}
    assert str(find_root_cause(WorkerGroupError("", failures))) == "data: is bad"


def test_bug_comes_before_what_other_ranks_saw_of_it():
    bug = UserExceptionWithTraceback(WorkerBug("Traceback: an odd bug"), "Traceback")
    assert str(find_root_cause(WorkerGroupError("", {0: LostConnectionError("closed"), 1: bug}))).endswith("odd bug")


@pytest.mark.parametrize("is_attached", [True, False])
def test_lost_worker_comes_before_lost_connections(monkeypatch, is_attached):
    monkeypatch.setattr(module, "is_attached", lambda: is_attached)
    failures = {0: LostConnectionError("closed"), 1: died("Its worker process has died.")}
    cause = find_root_cause(WorkerGroupError("", failures))
    assert isinstance(cause, ClusterError)
    assert str(cause).startswith("ray: rank 1: a worker was lost (Its worker process has died.)")
    assert "the memory of 10.0.0.3" in str(cause)
    assert (".headrace/logs/ray" in str(cause)) != is_attached


def test_lost_node_is_named_and_memory_is_not_blamed():
    cause = find_root_cause(WorkerGroupError("", {1: died("The actor died because its node has died. Node Id: 55")}))
    assert "rank 1: the node 10.0.0.3 died or is out of reach" in str(cause)
    assert "memory" not in str(cause)


def test_a_lost_connection_alone_names_the_rank_that_saw_it():
    cause = find_root_cause(WorkerGroupError("", {2: make_portable(CLOSED)}))
    assert str(cause).startswith("ray: rank 2: a connection between workers failed (Connection closed by")


def test_messages_of_ray_become_one_line_of_bounded_length():
    assert to_one_line("\x1b[36mray::Work\x1b[39m\n  failed") == "ray::Work failed"
    assert len(to_one_line("long " * 1000)) < 500
