"""Training on Ray's workers: the same loop on each, its events brought to the caller whatever node rank 0 is on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.cluster.session import is_attached
from pipeline.cluster.worker import import_as
from pipeline.errors import ClusterError, HeadraceError
from pipeline.learning.events import Event, Observer
from pipeline.learning.fit import FitJob, Place, fit
from pipeline.paths import Paths

SECONDS_BETWEEN_POLLS = 0.3


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


def fit_on_workers(job: FitJob, observer: Observer, *, num_workers: int, num_threads: int, paths: Paths) -> None:
    """Trains on `num_workers` workers of Ray Train, each with `num_threads` CPUs (and a GPU where there are some).

    Call it inside `session`. Raises the HeadraceError of a worker as it is, and ClusterError when workers are lost.
    """
    import ray
    from ray.train import RunConfig, ScalingConfig

    mailbox = ray.remote(num_cpus=0)(Mailbox).remote()
    use_gpu = ray.cluster_resources().get("GPU", 0) >= num_workers
    trainer = trainer_class()(
        _work,
        train_loop_config={"job": asdict(job), "mailbox": mailbox, "num_threads": num_threads, "sys_path": sys.path},
        scaling_config=ScalingConfig(
            num_workers=num_workers,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": num_threads, **({"GPU": 1} if use_gpu else {})},
        ),
        run_config=RunConfig(name=Path(job.work_dir).name, storage_path=str(paths.state_dir / "ray")),
    )
    with _delivering(mailbox, observer):
        try:
            _interruptible(trainer.fit)
        except ray.train.TrainingFailedError as error:
            raise _told(error) from error


def trainer_class() -> Any:
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
    import ray
    import ray.train
    from ray.train.lightning import RayLightningEnvironment

    from pipeline.cluster.strategies import make_strategy

    import_as(config["sys_path"])
    context = ray.train.get_context()
    mailbox = config["mailbox"]
    place = Place(
        rank=context.get_world_rank(),
        num_workers=context.get_world_size(),
        num_threads=config["num_threads"],
        strategy=make_strategy(config["job"]["settings"]["strategy"], context.get_world_size()),
        plugins=(RayLightningEnvironment(),),
    )
    fit(FitJob(**config["job"]), mailbox.put.remote, place)
    ray.get(mailbox.put.remote({"kind": "end"}))  # events are delivered in order: all are there when the worker ends


def _interruptible(call: Callable[[], object]) -> None:
    """Runs a call of Ray in a thread, so that a signal ends the wait here and not somewhere in Ray's compiled code.

    There it may be lost, or end the process at once; and Ray Train would take SIGINT for itself.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 whatever it is, it is raised in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=run, name="ray", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(SECONDS_BETWEEN_POLLS)
    if failures:
        raise failures[0]


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


def _told(error: Exception) -> Exception:
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
