"""Training on Ray workers: each runs the same loop, and rank 0's events reach the caller from any node."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from headrace.cluster.session import extend_sys_path, is_attached, num_local_cpus, ray_session
from headrace.contracts import Json
from headrace.errors import ClusterError, DataError, HeadraceError, Terminated
from headrace.paths import Paths
from headrace.quantization.onnx_export import EXPORTER_MODULES
from headrace.runtime import is_plain, preload_modules, relax_gc, skip_docstrings, wait_briefly
from headrace.training.fit import FitJob, WorkerContext, fit, read_result
from headrace.training.reporting.events import Event, Observer

SECONDS_BETWEEN_POLLS = 0.3
COORDINATOR = "AutoscalingCoordinator"
"""Ray's name, and namespace, of the actor that requests nodes from a cluster's autoscaler."""


class Mailbox:
    """An actor that holds rank 0's events until the caller takes them."""

    def __init__(self) -> None:
        """Starts empty."""
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        """Adds an event."""
        self._events.append(event)

    def take(self) -> list[Event]:
        """Returns the events since the last call."""
        events, self._events = self._events, []
        return events

    def request_resources(self, **_: Any) -> None:
        """Ignores Ray Train's request for nodes, since a session on one machine cannot grow; see `_create_mailbox`."""

    def cancel_request(self, **_: Any) -> None:
        """Ignored, like `request_resources`."""


@contextmanager
def prepare_training(job: FitJob, paths: Paths) -> Iterator[Callable[[Observer], Json]]:
    """Starts Ray workers if the settings need them; yields the function that trains and returns the result.

    A training that had finished before an interruption is not repeated. While workers start, the ONNX exporter is
    imported in the background. An interruption gets a note that says where the same command goes on.
    """
    from headrace.training.callbacks.checkpoints import read_resume_point  # imports torch

    num_epochs = job.settings.max_epochs
    if read_result(job.work_dir) is None and (point := read_resume_point(job.work_dir)):
        print(f"resumed after epoch {point.num_epochs} of {num_epochs}, step {point.step}", flush=True)  # noqa: T201
    try:
        with _start_training(job, paths) as train:
            yield train
    except Terminated as stop:
        if read_result(job.work_dir) is not None:
            stop.add_note("the same command goes on after the training")
        elif point := read_resume_point(job.work_dir):
            stop.add_note(f"the same command goes on from epoch {point.num_epochs + 1} of {num_epochs}")
        raise


@contextmanager
def _start_training(job: FitJob, paths: Paths) -> Iterator[Callable[[Observer], Json]]:
    work_dir, num_workers = job.work_dir, job.settings.num_workers
    num_threads = job.settings.num_threads or num_local_cpus()

    def train_here(observer: Observer) -> Json:
        if read_result(work_dir) is None:
            fit(job, observer, WorkerContext(num_threads=num_threads))
        return _require_result(work_dir)

    if num_workers == 0 or read_result(work_dir) is not None:
        yield train_here
        return
    with ray_session(paths, num_cpus_needed=num_workers * num_threads) as shutdown:
        training = Training(job, num_workers=num_workers, num_threads=num_threads, paths=paths)
        preload_modules(*EXPORTER_MODULES)

        def train_on_workers(observer: Observer) -> Json:
            training.wait(observer)
            shutdown.begin()  # while the caller exports the network
            return _require_result(work_dir)

        yield train_on_workers


def _require_result(work_dir: Path) -> Json:
    result = read_result(work_dir)
    if result is None:
        raise DataError(
            f"{work_dir}: rank 0 left no result here; put the project on storage that all nodes of the cluster share"
        )
    return result


class Training:
    """A running training on Ray workers; needs a Ray session from start to end."""

    def __init__(self, job: FitJob, *, num_workers: int, num_threads: int, paths: Paths) -> None:
        """Starts `num_workers` workers, each with `num_threads` CPUs, and a GPU if there are enough."""
        import ray
        from ray.train import RunConfig, ScalingConfig

        self._mailbox = _create_mailbox()
        use_gpu = ray.cluster_resources().get("GPU", 0) >= num_workers
        loop = {"job": job.to_json(), "mailbox": self._mailbox, "num_threads": num_threads, "sys_path": sys.path}
        trainer = make_trainer_class()(
            _run_worker,
            train_loop_config=loop,
            scaling_config=ScalingConfig(
                num_workers=num_workers,
                use_gpu=use_gpu,
                resources_per_worker={"CPU": num_threads, **({"GPU": 1} if use_gpu else {})},
            ),
            torch_config=make_torch_config(),
            run_config=RunConfig(name=job.work_dir.name, storage_path=str(paths.state_dir / "ray")),
        )
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(trainer.fit,), name="ray", daemon=True)
        self._thread.start()

    def _run(self, fit: Callable[[], object]) -> None:
        """Runs in a thread, so that a signal interrupts the wait for it and not Ray's compiled code.

        Ray could lose the signal there, or end the process at once; and Ray Train handles SIGINT itself.
        """
        try:
            fit()
        except BaseException as error:  # noqa: BLE001 raised again in the caller's thread
            self._failures.append(error)

    def wait(self, observer: Observer) -> None:
        """Passes rank 0's events to the observer until the workers end.

        Raises a worker's user error unchanged, and ClusterError if workers are lost.
        """
        import ray

        with _deliver_events(self._mailbox, observer):
            while self._thread.is_alive():
                self._thread.join(SECONDS_BETWEEN_POLLS)
        for error in self._failures:
            if not isinstance(error, ray.train.TrainingFailedError):
                raise error
            raise as_user_error(error) from error


def fit_on_workers(job: FitJob, observer: Observer, *, num_workers: int, num_threads: int, paths: Paths) -> None:
    """Trains on Ray workers; see Training."""
    Training(job, num_workers=num_workers, num_threads=num_threads, paths=paths).wait(observer)


def _create_mailbox() -> Any:
    """Creates the actor. In a session on this machine it also takes the place of Ray Train's autoscaling coordinator.

    Ray Train waits for the coordinator before it starts any worker, which costs a process and more than a second. If
    Ray renames it, Ray starts its own. HEADRACE_PLAIN=1 leaves it to Ray.
    """
    import ray

    actor = ray.remote(num_cpus=0)(Mailbox)
    if not is_attached() and not is_plain():
        with suppress(ValueError):  # an earlier training of this session has the name
            return actor.options(name=COORDINATOR, namespace=COORDINATOR).remote()
    return actor.remote()


def make_trainer_class() -> Any:
    """Returns Ray's TorchTrainer without two actors that it starts, each of them a process that imports Ray.

    One distributes Ray Data datasets, which are not used here. The other cleans up after a lost controller on clusters
    that outlive it. If Ray renames these callbacks, all actors start, as they do under HEADRACE_PLAIN=1.
    """
    from ray.train.torch import TorchTrainer

    if is_plain():
        return TorchTrainer
    unneeded = {"DatasetsCallback", *(() if is_attached() else ("PlacementGroupCleanerCallback",))}

    class Trainer(TorchTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            callbacks = super()._create_default_callbacks()
            return [callback for callback in callbacks if type(callback).__name__ not in unneeded]

    return Trainer


def make_torch_config() -> Any:
    """Returns Ray's settings of the process group, which in a session on this machine listens on loopback only."""
    from ray.train.torch import TorchConfig
    from ray.train.torch.config import _TorchBackend

    if is_attached():
        return TorchConfig()

    class LoopbackBackend(_TorchBackend):
        def on_start(self, worker_group: Any, backend_config: Any) -> None:
            worker_group.execute(listen_on_loopback)
            super().on_start(worker_group, backend_config)

    class LoopbackConfig(TorchConfig):
        @property
        def backend_cls(self) -> type[LoopbackBackend]:
            return LoopbackBackend

    return LoopbackConfig()


def listen_on_loopback() -> None:
    """Gives torch's store, where workers meet, a socket of the address that they use; its own takes any address."""
    rendezvous = import_module("torch.distributed.rendezvous")  # torch.distributed has a function of that name

    class Store(rendezvous.TCPStore):  # type: ignore[name-defined]
        def __init__(self, *, host_name: str, port: int, is_master: bool, **options: Any) -> None:
            listener = socket.create_server((host_name, port)).detach() if is_master else None
            options |= {"host_name": host_name, "port": port, "is_master": is_master}
            super().__init__(**options, master_listen_fd=listener)

    rendezvous.TCPStore = Store  # type: ignore[attr-defined]


def _run_worker(config: dict[str, Any]) -> None:
    """Runs the training loop on one worker."""
    relax_gc()
    wait_briefly()
    skip_docstrings()
    import ray
    import ray.train
    from ray.train.lightning import RayLightningEnvironment

    from headrace.cluster.strategies import make_strategy

    extend_sys_path(config["sys_path"])
    context = ray.train.get_context()
    mailbox = config["mailbox"]
    job = FitJob.from_json(config["job"])
    worker = WorkerContext(
        rank=context.get_world_rank(),
        num_workers=context.get_world_size(),
        num_threads=config["num_threads"],
        strategy=make_strategy(job.settings.strategy, context.get_world_size()),
        plugins=(RayLightningEnvironment(),),
    )
    fit(job, mailbox.put.remote, worker)
    ray.get(mailbox.put.remote({"kind": "end"}))  # events arrive in order, so all have arrived now


@contextmanager
def _deliver_events(mailbox: Any, observer: Observer) -> Iterator[None]:
    """Passes events to the observer while the block runs, and the remaining ones at its end."""
    import ray

    ended = threading.Event()

    def deliver() -> None:
        with suppress(ray.exceptions.RayError):  # a lost mailbox loses events, not the training
            while not ended.wait(SECONDS_BETWEEN_POLLS):
                _notify(observer, ray.get(mailbox.take.remote()))
            _notify(observer, ray.get(mailbox.take.remote(), timeout=10))

    thread = threading.Thread(target=deliver, name="events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=30)


def _notify(observer: Observer, events: list[Event]) -> None:
    for event in events:
        if event["kind"] != "end":
            observer(event)


def as_user_error(error: Exception) -> Exception:
    """Returns a worker's user error, a ClusterError if a worker was lost, or else the error itself: a bug."""
    failures = getattr(error, "worker_failures", {}).values()
    causes = [getattr(failure, "_base_exc", failure) for failure in failures] or [error]
    user_error = next((cause for cause in causes if isinstance(cause, HeadraceError | OSError)), None)
    if user_error is not None:
        return user_error
    # Ray's own errors, such as a failed health check, have several base classes, and not all are public
    lost = next((cause for cause in causes if type(cause).__module__.startswith("ray.")), None)
    if lost is None:
        return error
    reason = " ".join(str(lost).split())[:200]
    return ClusterError(
        f"ray: a worker was lost ({reason}); check the memory and .headrace/logs/ray, then run the same command again"
    )
