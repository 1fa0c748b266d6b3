"""Training on Ray workers: each runs the same loop, and rank 0's events reach the caller from any node."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from headrace.cluster.session import count_nodes, is_attached, num_local_cpus, ray_session
from headrace.cluster.worker_plan import plan_devices
from headrace.cluster.workers.caller_files import enter_job
from headrace.cluster.workers.errors import WorkerBug, find_root_cause, make_portable
from headrace.cluster.workers.mailbox import SECONDS_BETWEEN_POLLS, create_mailbox, deliver_events
from headrace.cluster.workers.process_group import make_torch_config
from headrace.cluster.workers.project import CallerFolder
from headrace.contracts import Json
from headrace.errors import DataError, Terminated
from headrace.paths import Paths
from headrace.quantization.onnx_export import EXPORTER_MODULES
from headrace.runtime import is_plain, preload_modules, relax_gc, skip_docstrings, wait_briefly
from headrace.tracking.uri import check_shared_tracking
from headrace.training.fit import FitJob, WorkerContext, fit, read_result
from headrace.training.reporting.events import Event, Observer
from headrace.training.resume.checkpoint_store import find_checkpoint, list_checkpoints, read_position
from headrace.training.resume.stop_requests import FileStop

SECONDS_TO_STOP = 20.0
"""For the workers to finish a step and save the state, after the caller was asked to end."""
MAX_STARTS = 15
"""Attempts to place the workers, a minute each: a cluster may have to start machines. Ray's default is no limit."""


@contextmanager
def prepare_training(job: FitJob, paths: Paths) -> Iterator[Callable[[Observer], Json]]:
    """Starts Ray workers if the settings need them; yields the function that trains and returns the result.

    A training that had finished before an interruption is not repeated. While workers start, the ONNX exporter is
    imported in the background. An interruption gets a note that says where the same command goes on.
    """
    num_epochs = job.settings.max_epochs
    if read_result(job.work_dir) is None and (position := find_checkpoint(job.work_dir)):
        print(f"resumed {position.describe(num_epochs)}", flush=True)  # noqa: T201
    try:
        with _start_training(job, paths) as train:
            yield train
    except Terminated as stop:
        if read_result(job.work_dir) is not None:
            stop.add_note("the same command goes on after the training")
        elif checkpoints := list_checkpoints(job.work_dir):
            stop.add_note(f"the same command goes on {read_position(checkpoints[0]).describe(num_epochs)}")
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
        check_shared_tracking(paths, count_nodes())
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
        raise DataError(f"{work_dir}: the training ended without a result here; run the same command again")
    return result


class Training:
    """A running training on Ray workers; needs a Ray session from start to end."""

    def __init__(self, job: FitJob, *, num_workers: int, num_threads: int, paths: Paths) -> None:
        """Starts `num_workers` workers, each with `num_threads` CPUs, and a GPU if there are enough."""
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig

        self._mailbox, self._has_started = create_mailbox(job), False
        self._stop_path = job.work_dir / FileStop.NAME
        self._stop_path.unlink(missing_ok=True)
        num_gpus = int(ray.cluster_resources().get("GPU", 0))
        trainer = make_trainer_class()(
            _run_worker,
            train_loop_config={
                "job": job.to_json(),
                "mailbox": self._mailbox,
                "num_threads": num_threads,
                "caller": CallerFolder.capture(),
            },
            scaling_config=ScalingConfig(**plan_devices(num_workers, num_threads, num_gpus)),
            torch_config=make_torch_config(),
            run_config=RunConfig(
                name=job.work_dir.name,
                storage_path=str(paths.state_dir / "ray"),
                failure_config=FailureConfig(controller_failure_limit=MAX_STARTS),
            ),
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

        Raises a worker's user error unchanged, and ClusterError if workers are lost. When this process shall end, the
        workers first save their state.
        """
        import ray

        def observe(event: Event) -> None:
            self._has_started = True
            observer(event)

        with deliver_events(self._mailbox, observe):
            try:
                while self._thread.is_alive():
                    self._thread.join(SECONDS_BETWEEN_POLLS)
            except Terminated:
                self._stop_workers()
                raise
        for error in self._failures:
            if not isinstance(error, ray.train.TrainingFailedError):
                raise error
            cause = find_root_cause(error)
            raise cause from None if isinstance(cause, WorkerBug) else error  # whose text repeats the traceback

    def _stop_workers(self) -> None:
        """Waits until the workers have saved their state and ended; not if they have not begun."""
        if self._has_started:
            self._stop_path.touch()
            self._thread.join(SECONDS_TO_STOP)


def fit_on_workers(job: FitJob, observer: Observer, *, num_workers: int, num_threads: int, paths: Paths) -> None:
    """Trains on Ray workers; see Training."""
    Training(job, num_workers=num_workers, num_threads=num_threads, paths=paths).wait(observer)


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


def _run_worker(config: dict[str, Any]) -> None:
    """Runs the training loop on one worker."""
    try:
        _fit_on_worker(config)
    except Exception as error:  # noqa: BLE001 raised again
        raise make_portable(error) from None  # Ray pickles it


def _fit_on_worker(config: dict[str, Any]) -> None:
    relax_gc()
    wait_briefly()
    skip_docstrings()
    import ray
    import ray.train
    from ray.train.lightning import RayLightningEnvironment

    from headrace.cluster.workers.strategies import make_strategy

    config["caller"].enter()
    context, mailbox = ray.train.get_context(), config["mailbox"]
    with enter_job(FitJob.from_json(config["job"]), mailbox) as local:
        folder = local.work_folder
        worker = WorkerContext(
            rank=context.get_world_rank(),
            num_workers=context.get_world_size(),
            num_threads=config["num_threads"],
            strategy=make_strategy(local.job.settings.strategy, context.get_world_size()),
            plugins=(RayLightningEnvironment(),),
            is_remote=True,
            open_split=local.open_split,
            on_checkpoint=folder.send_checkpoint if folder else None,
        )
        with suppress(Terminated):  # the caller, which asked for it, raises it
            fit(local.job, mailbox.put.remote, worker)
        if folder and worker.rank == 0:
            folder.send_changes()
    ray.get(mailbox.put.remote({"kind": "end"}))  # events arrive in order, so all have arrived now
