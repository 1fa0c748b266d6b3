"""Ray for the length of one stage: started on this machine, or attached to when the stage runs inside a job.

What a worker on another machine needs before it works.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headrace.errors import ClusterError
from headrace.paths import Paths

LOCAL_ENVIRONMENT = {
    # Ray listens on the machine's outer address, whatever it is told, unless clusters are "off"
    # (ray._private.services.get_node_ip_address)
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # an actor that foresees the end of spot machines: one process less to start on this one
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",  # nobody scrapes a session that lives for one stage
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one shows boxes of a search, however quiet it is asked to be
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # 2 s by default, which every start and end waits for
}
"""What a session of our own adds to the environment (measured: a training of two workers ends 2 to 4 s sooner)."""


class BackgroundShutdown:
    """Ends Ray in the background: its processes take a second or two to go, in which a training can be written."""

    def __init__(self, started: contextlib.ExitStack) -> None:
        """`started`: what there is to be left."""
        self._thread: threading.Thread | None = None
        self._started = started

    def begin(self) -> None:
        """Begins to end it; nothing of Ray may be called from here on."""
        left = self._started.pop_all()  # whatever happens meanwhile, it is left once
        self._thread = threading.Thread(target=left.close, name="ray's end")
        self._thread.start()

    def wait(self) -> None:
        """Waits for its end, where that has begun."""
        if self._thread:
            self._thread.join()


@contextlib.contextmanager
def ray_session(
    paths: Paths, *, num_cpus_needed: int, wanted_by: str = "train.num_workers"
) -> Iterator[BackgroundShutdown]:
    """Runs its body with Ray: quiet, reachable from this machine only, gone afterwards.

    Ray's own logs are in `.headrace/logs/ray`. `wanted_by` is the key of `params.yaml` to blame. The body gets a way to
    be rid of Ray before its end.

    Raises:
        ClusterError: Fewer CPUs than needed (told before Ray starts on this machine), or Ray does not start.
    """
    if not is_attached():
        check_cpus(num_cpus_needed, num_local_cpus(), wanted_by, "this machine")
    with _signals_kept(), contextlib.ExitStack() as started:
        started.enter_context(_attached() if is_attached() else _local(paths))
        if is_attached():
            check_cpus(num_cpus_needed, int(_cluster_resources().get("CPU", 0)), wanted_by, "the cluster")
        ending = BackgroundShutdown(started)
        try:
            yield ending
        finally:
            ending.wait()


def is_attached() -> bool:
    """Whether a cluster is there already: Ray sets RAY_ADDRESS inside a job."""
    return bool(os.environ.get("RAY_ADDRESS"))


def available_workers() -> int:
    """What `num_workers: auto` means: one a GPU; without GPUs two, or one where there is a single CPU.

    On this machine Ray is not started for the answer.
    """
    if is_attached():
        with _attached():
            resources = _cluster_resources()
        num_gpus, num_cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    else:
        num_gpus, num_cpus = num_local_gpus(), num_local_cpus()
    return num_gpus or max(1, min(2, num_cpus))


def num_local_cpus() -> int:
    """CPUs that this process may use (a container or `taskset` may allow fewer than there are)."""
    return len(os.sched_getaffinity(0))


def num_local_gpus() -> int:
    """GPUs of this machine."""
    import torch

    return torch.cuda.device_count()


def _cluster_resources() -> dict[str, float]:
    import ray

    return dict(ray.cluster_resources())


def check_cpus(num_needed: int, num_there: int, wanted_by: str, where: str) -> None:
    """Raises ClusterError when `where` has fewer CPUs than needed; `wanted_by` is the key to blame."""
    if num_needed <= num_there:
        return
    remedy = "add nodes to it" if where == "the cluster" else "run on a Ray cluster: headrace submit"
    raise ClusterError(
        f"params.yaml: {wanted_by}: the workers want {num_needed} CPUs, {where} has {num_there}; "
        f"ask for fewer, or {remedy}"
    )


@contextlib.contextmanager
def _local(paths: Paths) -> Iterator[None]:
    """Starts Ray on this machine; its logs are linked into the project while it runs, and moved there at its end."""
    logs_dir = paths.logs_dir / "ray"
    with _environment(LOCAL_ENVIRONMENT):
        # Without the dashboard Ray starts in 2.7 s instead of 3.6 to 7. Ray Train then complains every second that the
        # State API is away, but only in a log: nothing of the workers' output reaches the terminal (log_to_driver).
        context = _init(address="local", num_cpus=num_local_cpus(), include_dashboard=False)
        session_dir = Path(context.address_info["session_dir"])
        try:
            _link(logs_dir, session_dir / "logs")
            yield
        finally:
            _shutdown()
            _link(logs_dir, None)
            with contextlib.suppress(OSError, shutil.Error):
                shutil.move(session_dir / "logs", logs_dir)
            shutil.rmtree(session_dir, ignore_errors=True)  # Ray leaves one behind a session


@contextlib.contextmanager
def _attached() -> Iterator[None]:
    _init(address=os.environ["RAY_ADDRESS"])
    try:
        yield
    finally:
        _shutdown()


def _init(**options: Any) -> Any:
    """`ray.init`, quiet; whatever it trips over becomes one line."""
    import ray

    try:
        with _signals_kept():
            return ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except Exception as error:  # Ray raises anything from OSError to its own kinds
        _shutdown()
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(
            f"Ray: does not start or connect ({reason}); look for a full /tmp, a stale RAY_ADDRESS "
            f"({os.environ.get('RAY_ADDRESS', 'not set')}), or other Ray versions on the cluster"
        ) from error


def _shutdown() -> None:
    import ray

    ray.shutdown()


def _link(link: Path, target: Path | None) -> None:
    """Replaces what is at `link` by a link to `target`, or by nothing."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    shutil.rmtree(link, ignore_errors=True)
    if target:
        link.symlink_to(target)


@contextlib.contextmanager
def _environment(added: dict[str, str]) -> Iterator[None]:
    """Adds variables that are not set, and takes them away again."""
    mine = {name: value for name, value in added.items() if name not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name in mine:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Gives SIGINT and SIGTERM back: `ray.init` takes SIGTERM (we would end with 15, not 143), Ray Train SIGINT."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            with contextlib.suppress(ValueError):  # not the main thread: Ray took nothing either
                signal.signal(number, handler)


def extend_sys_path(sys_path: list[str]) -> None:
    """Makes a worker find what its caller finds: models outside the tree (`my_package.module:Thing`) among others."""
    sys.path.extend(path for path in sys_path if path not in sys.path)
