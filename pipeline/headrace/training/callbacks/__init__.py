"""The callbacks that settings ask for."""

from __future__ import annotations

import pytorch_lightning as pl

from headrace.training.callbacks.ema import WeightEMA
from headrace.training.callbacks.l1 import L1Penalty
from headrace.training.callbacks.lr_plateau import ReduceLROnPlateau
from headrace.training.callbacks.reporter import ResumableEarlyStopping
from headrace.training.callbacks.stopping import TrainingLimits
from headrace.training.optim.schedules import Plateau, schedule_options
from headrace.training.settings import ResolvedTrainSettings


def chosen_callbacks(settings: ResolvedTrainSettings) -> list[pl.Callback]:
    """Of early stopping, schedule, penalty and averaging; they stand behind what keeps weights."""
    stopping, schedule = settings.early_stopping, schedule_options(settings)
    found: list[pl.Callback] = []
    if stopping.patience:
        # by default it would be checked after ResumeState has written, and a resumed training would have waited
        # too little
        found.append(
            ResumableEarlyStopping(
                "val_loss", patience=stopping.patience, min_delta=stopping.min_delta, check_on_train_epoch_end=False
            )
        )
    if stopping.max_steps or stopping.max_minutes:
        found.append(TrainingLimits(max_steps=stopping.max_steps, max_seconds=60 * stopping.max_minutes))
    if isinstance(schedule, Plateau):
        found.append(ReduceLROnPlateau(schedule))
    if settings.l1:
        found.append(L1Penalty(settings.l1))
    if settings.ema:
        found.append(WeightEMA(settings.ema))
    return found
