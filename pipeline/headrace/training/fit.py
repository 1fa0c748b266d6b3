"""The training loop of a worker: an ordinary function, the same in the calling process and on each Ray worker."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.contracts import Json, Spec
from headrace.errors import DataError
from headrace.runtime import keep_freed_memory, restore_gc
from headrace.storage.arrays import Arrays, open_arrays
from headrace.storage.bundle import WEIGHTS
from headrace.storage.checksums import hash_file, read_signed_json, write_signed_json
from headrace.tasks import TASKS
from headrace.training.privacy.keyed_random import derive_key, read_or_create_key
from headrace.training.privacy.poisson_sampling import PoissonBatchOrder
from headrace.training.reporting.events import Observer
from headrace.training.resume.checkpoint_store import STATE, list_checkpoints, restore_weights
from headrace.training.resume.stop_requests import make_stop_request
from headrace.training.sampling.batch_order import BatchOrder
from headrace.training.settings import ResolvedTrainSettings

if TYPE_CHECKING:
    from headrace.training.callbacks.checkpoints import BestWeights
    from headrace.training.callbacks.reporter import Reporter

logger = logging.getLogger(__name__)
RESULT, PRIVACY_KEY = "fit.json", "key"


@dataclass(frozen=True)
class FitJob:
    """A training."""

    normalized_dir: Path
    """Arrays, `spec.json` and `transform.json`, on storage that every worker can read."""
    work_dir: Path
    """Folder for weights, resume state and result, on storage shared by every worker and the caller."""
    settings: ResolvedTrainSettings

    def to_json(self) -> Json:
        """Returns plain values, for a worker of another process."""
        paths = {"normalized_dir": str(self.normalized_dir), "work_dir": str(self.work_dir)}
        return paths | {"settings": self.settings.model_dump()}

    @classmethod
    def from_json(cls, values: Json) -> FitJob:
        """Returns the job that `to_json` was called on."""
        settings = ResolvedTrainSettings.model_validate(values["settings"])
        return cls(Path(values["normalized_dir"]), Path(values["work_dir"]), settings)


@dataclass(frozen=True)
class WorkerContext:
    """The place of a worker among the others."""

    rank: int = 0
    num_workers: int = 1
    num_threads: int = 0
    """Threads of this worker; 0: one per core."""
    strategy: Any = "auto"
    """Lightning's strategy and plugins, from the code that started the workers."""
    plugins: tuple[Any, ...] = ()
    is_remote: bool = False
    """Whether the caller is another process, which asks the worker to stop by a file instead of a signal."""
    open_split: Callable[[Path], Arrays] = open_arrays
    """Opens a folder of split rows; without shared storage, the rows are on another machine."""
    on_checkpoint: Callable[[Path], None] | None = None
    """Gets the folder of each new checkpoint, in the thread that wrote it."""


def fit(job: FitJob, observer: Observer, worker: WorkerContext | None = None) -> None:
    """Trains and writes the best weights and `fit.json` to `work_dir`; resumes from there after an interruption.

    Raises ConfigError if the settings do not fit the data, or if the loss diverges.
    """
    import torch

    from headrace.training.callbacks import make_callbacks
    from headrace.training.callbacks.checkpoints import WEIGHT_KEEPERS
    from headrace.training.callbacks.divergence import DivergenceGuard
    from headrace.training.callbacks.reporter import Reporter
    from headrace.training.callbacks.resume_state import ResumeState
    from headrace.training.resume.checkpoint_writer import CheckpointWriter

    worker = worker or WorkerContext()
    torch.set_num_threads(worker.num_threads or os.cpu_count() or 1)
    settings, work_dir = job.settings, job.work_dir
    key = load_privacy_key(settings, work_dir)
    data, module = make_data_module(job, worker, key), make_training_module(job, key)
    keeper = WEIGHT_KEEPERS[settings.keep](work_dir)
    reporter = Reporter(observer if worker.rank == 0 else lambda _: None, settings.batch_size)
    writer = CheckpointWriter(work_dir, settings.checkpoint.keep, worker.on_checkpoint)
    stop = make_stop_request(work_dir, is_remote=worker.is_remote)
    saving = DivergenceGuard(work_dir, writer.teardown), ResumeState(settings.checkpoint, writer, stop)
    callbacks = [keeper, reporter, *make_callbacks(settings), *saving]
    worker = replace(worker, plugins=(*worker.plugins, writer))
    trainer = make_trainer(settings, worker, callbacks, max_epochs=settings.max_epochs)
    data.setup("fit")  # the import of the augmentation library is not part of `fit_seconds`
    state_path = _restore(work_dir, worker.rank)
    started = time.perf_counter()
    with stop:
        trainer.fit(module, datamodule=data, ckpt_path=state_path, weights_only=True)
    if worker.rank == 0:
        _write_result(work_dir, trainer, keeper, reporter, time.perf_counter() - started)


def _restore(work_dir: Path, rank: int) -> Path | None:
    """Returns the newest state, which the caller has checked, with the weights of `work_dir` as they were then."""
    checkpoints = list_checkpoints(work_dir)
    if not checkpoints:
        return None
    if rank == 0:
        restore_weights(checkpoints[0], work_dir)
    return checkpoints[0] / STATE


def read_result(work_dir: Path) -> Json | None:
    """Returns the result of a finished training, or None; a damaged one, or of damaged weights, is set aside."""
    path = work_dir / RESULT
    if not path.is_file():
        return None
    remedy = "set aside; the training goes on from its last state"
    try:
        result = read_signed_json(path, remedy)
        if hash_file(work_dir / WEIGHTS) != result["weights"]:
            raise DataError(f"{work_dir / WEIGHTS}: damaged (checksum); {remedy}")  # noqa: TRY301 as the result itself
    except (DataError, FileNotFoundError) as error:
        logger.warning("%s", error)
        path.replace(path.with_suffix(".damaged"))
        return None
    return result


TRAINER_DEFAULTS: dict[str, Any] = {
    "accelerator": "auto",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # BatchOrder neither pads nor repeats rows
    "reload_dataloaders_every_n_epochs": 1,
}


def load_privacy_key(settings: ResolvedTrainSettings, work_dir: Path) -> bytes:
    """Returns the key of a private training's rows and noise, the same on all workers and after an interruption."""
    if settings.privacy is None:
        return b""
    return read_or_create_key(work_dir / PRIVACY_KEY) if settings.privacy.secure else derive_key(settings.seed)


def make_trainer(settings: ResolvedTrainSettings, worker: WorkerContext, callbacks: list[Any], **limits: Any) -> Any:
    """Builds Lightning's Trainer for a training or a measurement; `limits` are further options of it."""
    import pytorch_lightning as pl

    from headrace.training.engine.lightning_loop import use_step_loop

    silence_lightning()
    keep_freed_memory()
    restore_gc()
    trainer = pl.Trainer(
        devices="auto" if worker.num_workers > 1 else 1,
        strategy=worker.strategy,
        plugins=list(worker.plugins),
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        gradient_clip_val=settings.gradient_clip or None,
        accumulate_grad_batches=settings.accumulate,
        callbacks=callbacks,
        **TRAINER_DEFAULTS,
        **limits,
    )
    use_step_loop(trainer)
    return trainer


def make_data_module(job: FitJob, worker: WorkerContext, key: bytes = b"") -> Any:
    """Builds the data module of a worker; `key`: of a private training."""
    from headrace.training.data_module import ArraysDataModule

    data = ArraysDataModule(job.normalized_dir, job.settings, rank=worker.rank, num_workers=worker.num_workers, key=key)
    data.open_split = worker.open_split
    return data


def make_training_module(job: FitJob, key: bytes = b"") -> Any:
    """Builds the LightningModule with the initial weights; `key`: of a private training."""
    import torch

    from headrace.models.network import build_network
    from headrace.training.engine.gradient_checkpointing import check_has_blocks, checkpoint_blocks
    from headrace.training.module import TrainingModule

    folder, settings = job.normalized_dir, job.settings
    spec = Spec.read(folder)
    torch.manual_seed(settings.seed)  # the same initial weights on every worker
    transform = json.loads((folder / "transform.json").read_bytes())
    network = build_network(settings.model, spec, transform, settings.loss)
    if settings.memory_format == "channels_last":  # images already have it: see ImagePreprocess
        network = network.to(memory_format=torch.channels_last)
    if settings.gradient_checkpointing:
        check_has_blocks(network, str(settings.model["name"]))
        checkpoint_blocks(network)
    num_rows = len(np.load(folder / "train" / "targets.npy", mmap_mode="r"))
    if settings.privacy:
        from headrace.training.privacy.dp_module import DPTrainingModule

        order = PoissonBatchOrder(num_rows, settings.batch_size, settings.seed, key=key)
        return DPTrainingModule(network, TASKS[spec.task], settings, transform=transform, order=order)
    num_steps = BatchOrder(num_rows, settings.batch_size, settings.seed).num_steps * settings.max_epochs
    return TrainingModule(network, TASKS[spec.task], settings, transform=transform, num_steps=num_steps)


def _write_result(work_dir: Path, trainer: Any, keeper: BestWeights, reporter: Reporter, seconds: float) -> None:
    write_signed_json(
        work_dir / RESULT,
        {
            "weights": hash_file(work_dir / WEIGHTS),
            "epochs": len(reporter.history),
            "steps": trainer.global_step,
            "best_epoch": keeper.best_epoch,
            "kept_epoch": keeper.saved_epoch,
            "val_loss": keeper.best_loss,
            "fit_seconds": round(seconds, 3),
            "parameters": sum(parameter.numel() for parameter in trainer.lightning_module.parameters()),
            "privacy": trainer.lightning_module.privacy_metrics(),
            "ended_by": _find_end_reason(trainer, len(reporter.history)),
            "history": reporter.history,
        },
    )


def _find_end_reason(trainer: Any, num_epochs: int) -> str:
    """Returns the key of `train` that ended the training."""
    from headrace.training.callbacks.stopping import ResumableEarlyStopping

    stopping = trainer.lightning_module.settings.early_stopping
    if num_epochs >= trainer.max_epochs:
        return "max_epochs"
    if 0 < stopping.max_steps <= trainer.global_step:
        return "early_stopping.max_steps"
    early_stopping = [callback for callback in trainer.callbacks if isinstance(callback, ResumableEarlyStopping)]
    has_waited = any(callback.wait_count >= callback.patience for callback in early_stopping)
    return f"early_stopping.{'patience' if has_waited else 'max_minutes'}"


def silence_lightning() -> None:
    """Hides the hints that Lightning gives to its own users."""
    for name in ("pytorch_lightning", "lightning.pytorch", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
