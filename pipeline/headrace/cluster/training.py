"""Training on Ray's workers: the same loop on each, its events brought to the caller whatever node rank 0 is on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace.cluster.session import extend_sys_path, is_attached
from headrace.errors import ClusterError, HeadraceError
from headrace.paths import Paths
from headrace.runtime import relax_gc
from headrace.training.fit import FitJob, WorkerContext, fit
from headrace.training.reporting.events import Event, Observer

SECONDS_BETWEEN_POLLS = 0.3
COORDINATOR = "AutoscalingCoordinator"
"""Ray's name, and namespace, for the actor that asks a cluster's autoscaler for nodes."""


class Mailbox:
    """An actor that holds rank 0's events until the caller takes them."""

    def __init__(self) -> None:
        """Begins empty."""
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        """Adds an event."""
        self._events.append(event)

    def take(self) -> list[Event]:
        """All events since the last call."""
        events, self._events = self._events, []
        return events

    def request_resources(self, **_: Any) -> None:
        """For Ray Train, that tells so what a cluster should grow to: a session of our own cannot (see `_mailbox`)."""

    def cancel_request(self, **_: Any) -> None:
        """See `request_resources`."""


class Training:
    """A training on Ray's workers, from its start to its end; both inside `session`."""

    def __init__(self, job: FitJob, *, num_workers: int, num_threads: int, paths: Paths) -> None:
        """Starts `num_workers` workers of Ray Train, each with `num_threads` CPUs (and a GPU where there are some)."""
        import ray
        from ray.train import RunConfig, ScalingConfig

        self._mailbox = _mailbox()
        use_gpu = ray.cluster_resources().get("GPU", 0) >= num_workers
        loop = {"job": asdict(job), "mailbox": self._mailbox, "num_threads": num_threads, "sys_path": sys.path}
        trainer = make_trainer_class()(
            _work,
            train_loop_config=loop,
            scaling_config=ScalingConfig(
                num_workers=num_workers,
                use_gpu=use_gpu,
                resources_per_worker={"CPU": num_threads, **({"GPU": 1} if use_gpu else {})},
            ),
            run_config=RunConfig(name=Path(job.work_dir).name, storage_path=str(paths.state_dir / "ray")),
        )
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(trainer.fit,), name="ray", daemon=True)
        self._thread.start()

    def _run(self, fit: Callable[[], object]) -> None:
        """Ray's call has a thread, so that a signal ends the wait for it and not something in Ray's compiled code.

        There it may be lost, or end the process at once; and Ray Train would take SIGINT for itself.
        """
        try:
            fit()
        except BaseException as error:  # noqa: BLE001 whatever it is, it is raised in the caller's thread
            self._failures.append(error)

    def wait(self, observer: Observer) -> None:
        """Hands rank 0's events to the observer until the workers end.

        Raises the HeadraceError of a worker as it is, and ClusterError when workers are lost.
        """
        import ray

        with _delivering(self._mailbox, observer):
            while self._thread.is_alive():
                self._thread.join(SECONDS_BETWEEN_POLLS)
        for error in self._failures:
            if not isinstance(error, ray.train.TrainingFailedError):
                raise error
            raise as_user_error(error) from error


def fit_on_workers(job: FitJob, observer: Observer, *, num_workers: int, num_threads: int, paths: Paths) -> None:
    """Trains, from start to end; see Training."""
    Training(job, num_workers=num_workers, num_threads=num_threads, paths=paths).wait(observer)


def _mailbox() -> Any:
    """The actor; in a session of our own it also stands where Ray Train looks for the one that asks for more nodes.

    Ray Train waits for that one before it starts any worker, a process more and more than a second. Where it looks for
    another name some day, it starts its own.
    """
    import ray

    actor = ray.remote(num_cpus=0)(Mailbox)
    if not is_attached():
        with suppress(ValueError):  # the name is taken by an earlier training of this session
            return actor.options(name=COORDINATOR, namespace=COORDINATOR).remote()
    return actor.remote()


def make_trainer_class() -> Any:
    """Ray's TorchTrainer, less two of the actors that it starts beside the workers, each a process that imports Ray.

    One shares out sets of Ray Data, which there are none of; the other clears up behind a lost controller, on clusters
    that outlive it. Where Ray calls this by another name some day, all start, and the training takes longer to begin.
    """
    from ray.train.torch import TorchTrainer

    unwanted = {"DatasetsCallback", *(() if is_attached() else ("PlacementGroupCleanerCallback",))}

    class Trainer(TorchTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            made = super()._create_default_callbacks()
            return [callback for callback in made if type(callback).__name__ not in unwanted]

    return Trainer


def _work(config: dict[str, Any]) -> None:
    """One worker: joins the others and runs the loop."""
    relax_gc()
    import ray
    import ray.train
    from ray.train.lightning import RayLightningEnvironment

    from headrace.cluster.strategies import make_strategy

    extend_sys_path(config["sys_path"])
    context = ray.train.get_context()
    mailbox = config["mailbox"]
    place = WorkerContext(
        rank=context.get_world_rank(),
        num_workers=context.get_world_size(),
        num_threads=config["num_threads"],
        strategy=make_strategy(config["job"]["settings"]["strategy"], context.get_world_size()),
        plugins=(RayLightningEnvironment(),),
    )
    fit(FitJob(**config["job"]), mailbox.put.remote, place)
    ray.get(mailbox.put.remote({"kind": "end"}))  # events are delivered in order: all are there when the worker ends


@contextmanager
def _delivering(mailbox: Any, observer: Observer) -> Iterator[None]:
    """Hands events to the observer while the block runs, and those that are left at its end."""
    import ray

    ended = threading.Event()

    def deliver() -> None:
        with suppress(ray.exceptions.RayError):  # a lost mailbox loses pictures, not the training
            while not ended.wait(SECONDS_BETWEEN_POLLS):
                _hand_over(ray.get(mailbox.take.remote()), observer)
            _hand_over(ray.get(mailbox.take.remote(), timeout=10), observer)

    thread = threading.Thread(target=deliver, name="events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=30)


def _hand_over(events: list[Event], observer: Observer) -> None:
    for event in events:
        if event["kind"] != "end":
            observer(event)


def as_user_error(error: Exception) -> Exception:
    """What a worker raised, where users can mend it; a ClusterError where a worker was lost; else the error: a bug."""
    failures = getattr(error, "worker_failures", {}).values()
    causes = [getattr(failure, "_base_exc", failure) for failure in failures] or [error]
    told = next((cause for cause in causes if isinstance(cause, HeadraceError | OSError)), None)
    if told is not None:
        return told
    # of Ray's own making, such as a health check that failed: several families, and not all are public
    lost = next((cause for cause in causes if type(cause).__module__.startswith("ray.")), None)
    if lost is None:
        return error
    reason = " ".join(str(lost).split())[:200]
    return ClusterError(
        f"ray: a worker was lost ({reason}); look at memory and at .headrace/logs/ray, then run the same command again"
    )
