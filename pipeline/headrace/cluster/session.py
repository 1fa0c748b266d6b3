"""A Ray session for one stage: starts Ray on this machine, or connects to the cluster inside a job."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from headrace.errors import ClusterError
from headrace.paths import Paths
from headrace.runtime import is_plain

PRIVATE_ENVIRONMENT = {
    # Ray binds to the machine's external address unless clusters are disabled
    # (ray._private.services.get_node_ip_address)
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment of a session on this machine."""
WORKAROUNDS = {
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # saves the process of an actor that only matters on spot machines
    "RAY_TRAIN_METRICS_ENABLED": "0",  # nobody scrapes a session that lives for one stage
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output prints tables of trials even with verbose=0
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # every start and end waits for it; the default is 2 s
    "RAY_worker_niceness": "0",  # as this process; with Ray's 15, a worker gets 3 % of a core that others use
}
"""Added to it unless HEADRACE_PLAIN=1: a training on two workers then ends 2 to 4 s sooner."""


SECONDS_BETWEEN_POLLS = 0.3


class BackgroundShutdown:
    """Shuts Ray down in the background: its processes take a second or two to end, time to write the trained model."""

    def __init__(self, session: contextlib.ExitStack) -> None:
        """Closing `session` shuts Ray down."""
        self._thread: threading.Thread | None = None
        self._session = session

    def begin(self) -> None:
        """Starts the shutdown, except under HEADRACE_PLAIN=1; Ray must not be used after this call."""
        if is_plain():
            return
        session = self._session.pop_all()  # so that it is closed only once
        self._thread = threading.Thread(target=session.close, name="ray-shutdown")
        self._thread.start()

    def wait(self) -> None:
        """Waits for a shutdown that has started."""
        if self._thread:
            self._thread.join()


@contextlib.contextmanager
def ray_session(
    paths: Paths, *, num_cpus_needed: int, wanted_by: str = "train.num_workers"
) -> Iterator[BackgroundShutdown]:
    """Runs its body with Ray: without output, reachable from this machine only, and shut down afterwards.

    Ray's own logs go to `.headrace/logs/ray`. `wanted_by` is the key of `params.yaml` to name in errors. Yields a
    handle to shut Ray down early.

    Raises:
        ClusterError: There are too few CPUs (raised before Ray starts on this machine), or Ray does not start.
    """
    if not is_attached():
        check_cpus(num_cpus_needed, num_local_cpus(), wanted_by, "this machine")
    with _preserve_signal_handlers(), contextlib.ExitStack() as session:
        session.enter_context(_attached() if is_attached() else _local(paths))
        if is_attached():
            check_cpus(num_cpus_needed, int(_cluster_resources().get("CPU", 0)), wanted_by, "the cluster")
        shutdown = BackgroundShutdown(session)
        try:
            yield shutdown
        finally:
            shutdown.wait()


def is_attached() -> bool:
    """Whether this process runs inside a cluster's job, where Ray sets RAY_ADDRESS."""
    return bool(os.environ.get("RAY_ADDRESS"))


def available_workers() -> int:
    """Returns the number of workers for `num_workers: auto`: one per GPU; without GPUs two, or one on a single CPU.

    Does not start Ray on this machine.
    """
    if is_attached():
        with _attached():
            resources = _cluster_resources()
        num_gpus, num_cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    else:
        num_gpus, num_cpus = num_local_gpus(), num_local_cpus()
    return num_gpus or max(1, min(2, num_cpus))


def num_local_cpus() -> int:
    """Returns the number of CPUs that this process may use; a container or `taskset` may restrict it."""
    return len(os.sched_getaffinity(0))


def num_local_gpus() -> int:
    """Returns the number of GPUs on this machine."""
    import torch

    return torch.cuda.device_count()


def count_nodes() -> int:
    """Returns the number of nodes of the session; 1 on this machine."""
    import ray

    return sum(node["Alive"] for node in ray.nodes())


def _cluster_resources() -> dict[str, float]:
    import ray

    return dict(ray.cluster_resources())


def check_cpus(num_needed: int, num_available: int, wanted_by: str, where: str) -> None:
    """Raises ClusterError if `where` has fewer CPUs than needed; `wanted_by` is the key to name."""
    if num_needed <= num_available:
        return
    remedy = "add nodes to it" if where == "the cluster" else "run on a Ray cluster: headrace submit"
    raise ClusterError(
        f"params.yaml: {wanted_by}: the workers need {num_needed} CPUs, {where} has {num_available}; "
        f"use fewer, or {remedy}"
    )


@contextlib.contextmanager
def _local(paths: Paths) -> Iterator[None]:
    """Starts Ray on this machine; links its logs into the project while it runs, and moves them there afterwards."""
    logs_dir, record = paths.logs_dir / "ray", _record_of(paths, os.getpid())
    remove_stale_sessions(paths)
    with _environment(PRIVATE_ENVIRONMENT if is_plain() else PRIVATE_ENVIRONMENT | WORKAROUNDS), _on_loopback():
        # Without the dashboard Ray starts in 2.7 s instead of 3.6 to 7. Ray Train then logs every second that the State
        # API is unavailable, but no output of workers reaches the terminal (log_to_driver).
        context = _init(address="local", num_cpus=num_local_cpus(), include_dashboard=False)
        session_dir = Path(context.address_info["session_dir"])
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(f"{session_dir}\n", encoding="utf-8")
        try:
            _link(logs_dir, session_dir / "logs")
            yield
        finally:
            _shutdown()
            _link(logs_dir, None)
            with contextlib.suppress(OSError, shutil.Error):
                shutil.move(session_dir / "logs", logs_dir)
            _remove_session(session_dir, record)


def remove_stale_sessions(paths: Paths) -> None:
    """Removes the folders in /tmp/ray of sessions of this project whose processes were killed."""
    import psutil

    for record in _record_of(paths, 0).parent.glob(f"{platform.node()}-*"):
        if not psutil.pid_exists(int(record.name.rpartition("-")[2])):
            _remove_session(Path(record.read_text(encoding="utf-8").strip()), record)


def _record_of(paths: Paths, pid: int) -> Path:
    """The file that names the session's folder while a process of this machine uses it."""
    return paths.state_dir / "ray-sessions" / f"{platform.node()}-{pid}"


def _remove_session(session_dir: Path, record: Path) -> None:
    """Removes the folder, which Ray never does, and Ray's link to the latest one if nothing is there any more."""
    if session_dir.name.startswith("session_"):  # an empty record was cut short
        shutil.rmtree(session_dir, ignore_errors=True)
        latest = session_dir.with_name("session_latest")
        if latest.is_symlink() and not latest.exists():
            latest.unlink(missing_ok=True)
    record.unlink(missing_ok=True)


@contextlib.contextmanager
def _attached() -> Iterator[None]:
    _init(address=os.environ["RAY_ADDRESS"])
    try:
        yield
    finally:
        _shutdown()


def _init(**options: Any) -> Any:
    """Runs `ray.init` without output, and turns whatever it raises into a ClusterError."""
    import ray

    try:
        with _preserve_signal_handlers():
            return ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except Exception as error:  # Ray raises anything from OSError to its own classes
        _shutdown()
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(
            f"Ray: does not start or connect ({reason}); check for a full /tmp, a stale RAY_ADDRESS "
            f"({os.environ.get('RAY_ADDRESS', 'not set')}), or other Ray versions on the cluster"
        ) from error


def _shutdown() -> None:
    import ray

    ray.shutdown()


def _link(link: Path, target: Path | None) -> None:
    """Replaces whatever is at `link` with a link to `target`, or removes it."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    shutil.rmtree(link, ignore_errors=True)
    if target:
        link.symlink_to(target)


@contextlib.contextmanager
def _environment(added: dict[str, str]) -> Iterator[None]:
    """Sets those variables that are unset, and unsets them again afterwards."""
    unset = {name: value for name, value in added.items() if name not in os.environ}
    os.environ.update(unset)
    try:
        yield
    finally:
        for name in unset:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Applies PRIVATE_ENVIRONMENT where Ray was imported without it: Ray reads the first variable at its import."""
    from ray._private import ray_constants

    earlier = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = ray_constants.env_bool(ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, default=False)
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = earlier


@contextlib.contextmanager
def _preserve_signal_handlers() -> Iterator[None]:
    """Restores the handlers of SIGINT, which Ray Train replaces, and SIGTERM, which `ray.init` replaces."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            with contextlib.suppress(ValueError):  # not the main thread, where Ray replaces none either
                signal.signal(number, handler)


def run_in_thread(work: Callable[[], object]) -> None:
    """Runs Ray's code in a thread, so that a signal interrupts the wait for it and not Ray's compiled code.

    Ray could lose the signal there, or turn it into a SystemError. Raises what `work` raises.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 raised again in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=run, name="ray", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(SECONDS_BETWEEN_POLLS)
    for error in failures:
        raise error
