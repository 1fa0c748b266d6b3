"""The worker loop: an ordinary function, the same in the calling process and on each of Ray's workers."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.contracts import Json, Spec
from headrace.storage.atomic import write_json
from headrace.training.reporting.events import Observer
from headrace.training.settings import ResolvedTrainSettings

if TYPE_CHECKING:
    from headrace.training.callbacks.reporter import BestWeights, Reporter

RESULT, KEY = "fit.json", "key"


@dataclass(frozen=True)
class FitJob:
    """One training, in plain values that travel to any worker."""

    normalized_dir: str
    """Arrays, `spec.json` and `transform.json`, on storage that every worker sees."""
    work_dir: str
    """Where weights, resume state and result go: on storage that every worker and the caller see."""
    settings: Json
    """A TrainSettings in plain values."""


@dataclass(frozen=True)
class WorkerContext:
    """Where one worker stands among the others."""

    rank: int = 0
    num_workers: int = 1
    num_threads: int = 0
    """Threads of this worker; 0: one a core."""
    strategy: Any = "auto"
    """Lightning's strategy and plugins, from whoever started the workers."""
    plugins: tuple[Any, ...] = ()


def fit(job: FitJob, observer: Observer, place: WorkerContext | None = None) -> None:
    """Trains, and leaves the best weights and `fit.json` in `work_dir`; goes on from there after a kill.

    Raises ConfigError when settings and data do not fit together, and when the loss is no number any more.
    """
    import torch

    from headrace.training.callbacks import chosen_callbacks
    from headrace.training.callbacks.reporter import WEIGHT_KEEPERS, Reporter, ResumeState
    from headrace.training.compatibility import check_settings_fit

    place = place or WorkerContext()
    torch.set_num_threads(place.num_threads or os.cpu_count() or 1)
    settings = ResolvedTrainSettings.model_validate(job.settings)
    work_dir = Path(job.work_dir)
    key = _key(settings, work_dir)
    data, learner = make_data(job, settings, place, key), make_learner(job, settings, key)
    check_settings_fit(settings, Spec.read(Path(job.normalized_dir)), learner.network)
    best = WEIGHT_KEEPERS[settings.keep](work_dir)
    reporter = Reporter(observer if place.rank == 0 else lambda _: None, settings.batch_size)
    callbacks = [best, reporter, *chosen_callbacks(settings), ResumeState(work_dir)]
    trainer = make_trainer(settings, place, callbacks, max_epochs=settings.max_epochs)
    resume = work_dir / ResumeState.NAME
    data.setup("fit")  # imports the augmentation's library: no part of the fit's time
    started = time.perf_counter()
    trainer.fit(learner, datamodule=data, ckpt_path=resume if resume.is_file() else None, weights_only=True)
    if place.rank == 0:
        _write_result(work_dir, trainer, best, reporter, time.perf_counter() - started)


def read_result(work_dir: Path) -> Json | None:
    """What a finished training left, or None."""
    path = work_dir / RESULT
    result: Json | None = json.loads(path.read_bytes()) if path.is_file() else None
    return result


TRAINER_DEFAULTS: dict[str, Any] = {
    "accelerator": "auto",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # ours neither pads nor repeats
    "reload_dataloaders_every_n_epochs": 1,
}


def _key(settings: ResolvedTrainSettings, work_dir: Path) -> bytes:
    """What a private training draws its rows and its noise from, the same for all workers and after a kill."""
    from headrace.training.privacy.keyed_random import key_in, key_of_seed

    if settings.privacy is None:
        return b""
    return key_in(work_dir / KEY) if settings.privacy.secure else key_of_seed(settings.seed)


def make_trainer(settings: ResolvedTrainSettings, place: WorkerContext, callbacks: list[Any], **limits: Any) -> Any:
    """Lightning's Trainer as every training and every measurement of one uses it; `limits` are its own options."""
    import pytorch_lightning as pl

    from headrace.runtime import keep_freed_memory, restore_gc
    from headrace.training.engine.lightning_loop import use_step_loop

    silence_lightning()
    keep_freed_memory()
    restore_gc()
    trainer = pl.Trainer(
        devices="auto" if place.num_workers > 1 else 1,
        strategy=place.strategy,
        plugins=list(place.plugins),
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        gradient_clip_val=settings.gradient_clip or None,
        accumulate_grad_batches=settings.accumulate,
        callbacks=callbacks,
        **TRAINER_DEFAULTS,
        **limits,
    )
    use_step_loop(trainer)
    return trainer


def make_data(job: FitJob, settings: ResolvedTrainSettings, place: WorkerContext, key: bytes = b"") -> Any:
    """The rows of a job, for one worker; `key`: of a private training."""
    from headrace.training.data_module import ArraysDataModule

    return ArraysDataModule(Path(job.normalized_dir), settings, rank=place.rank, num_workers=place.num_workers, key=key)


def make_learner(job: FitJob, settings: ResolvedTrainSettings, key: bytes = b"") -> Any:
    """The network of a job with its first weights, and how it learns; `key`: of a private training."""
    import torch

    from headrace.models.network import build_network
    from headrace.tasks import TASKS
    from headrace.training.engine.gradient_checkpointing import checkpoint_blocks
    from headrace.training.module import TrainingModule
    from headrace.training.sampling.batch_order import BatchOrder

    folder = Path(job.normalized_dir)
    spec = Spec.read(folder)
    torch.manual_seed(settings.seed)  # the same first weights everywhere
    transform = json.loads((folder / "transform.json").read_bytes())
    network = build_network(settings.model, spec, transform, settings.loss)
    if settings.memory_format == "channels_last":  # images come so already: see ImagePreprocess
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if settings.gradient_checkpointing:
        checkpoint_blocks(network)
    num_rows = len(np.load(folder / "train" / "targets.npy", mmap_mode="r"))
    if settings.privacy:
        from headrace.training.privacy.dp_module import DPTrainingModule
        from headrace.training.privacy.poisson_sampling import PoissonBatchOrder

        rows = PoissonBatchOrder(num_rows, settings.batch_size, settings.seed, key=key)
        return DPTrainingModule(network, TASKS[spec.task], settings, transform=transform, order=rows)
    num_steps = BatchOrder(num_rows, settings.batch_size, settings.seed).num_steps * settings.max_epochs
    return TrainingModule(network, TASKS[spec.task], settings, transform=transform, num_steps=num_steps)


def _write_result(work_dir: Path, trainer: Any, best: BestWeights, reporter: Reporter, seconds: float) -> None:
    write_json(
        work_dir / RESULT,
        {
            "epochs": len(reporter.history),
            "steps": trainer.global_step,
            "best_epoch": best.best_epoch,
            "kept_epoch": best.kept_epoch,
            "val_loss": best.best_loss,
            "fit_seconds": round(seconds, 3),
            "parameters": sum(parameter.numel() for parameter in trainer.lightning_module.parameters()),
            "privacy": trainer.lightning_module.spent(),
            "ended_by": _ended_by(trainer, len(reporter.history)),
            "history": reporter.history,
        },
    )


def _ended_by(trainer: Any, num_epochs: int) -> str:
    """The key of `train` that ended it."""
    from headrace.training.callbacks.reporter import ResumableEarlyStopping

    stopping = trainer.lightning_module.settings.early_stopping
    if num_epochs >= trainer.max_epochs:
        return "max_epochs"
    if 0 < stopping.max_steps <= trainer.global_step:
        return "early_stopping.max_steps"
    waited = any(
        isinstance(one, ResumableEarlyStopping) and one.wait_count >= one.patience for one in trainer.callbacks
    )
    return f"early_stopping.{'patience' if waited else 'max_minutes'}"


def silence_lightning() -> None:
    """Lightning's advice is for its own users: ours see one progress bar."""
    for name in ("pytorch_lightning", "lightning.pytorch", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning\..*")
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
