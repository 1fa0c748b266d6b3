"""Callbacks of a training, built from its settings."""

from __future__ import annotations

import pytorch_lightning as pl

from headrace.training.callbacks.ema import WeightEMA
from headrace.training.callbacks.l1 import L1Penalty
from headrace.training.callbacks.lr_plateau import ReduceLROnPlateau
from headrace.training.callbacks.stopping import ResumableEarlyStopping, TrainingLimits
from headrace.training.optim.schedules import Plateau, build_schedule_options
from headrace.training.settings import ResolvedTrainSettings


def make_callbacks(settings: ResolvedTrainSettings) -> list[pl.Callback]:
    """Builds the callbacks that the settings enable; they must come after the one that saves weights."""
    stopping, schedule = settings.early_stopping, build_schedule_options(settings.schedule)
    callbacks: list[pl.Callback] = []
    if stopping.patience:
        # by default it is checked after ResumeState has written, so a resumed training would have waited too little
        callbacks.append(
            ResumableEarlyStopping(
                "val_loss", patience=stopping.patience, min_delta=stopping.min_delta, check_on_train_epoch_end=False
            )
        )
    if stopping.max_steps or stopping.max_minutes:
        callbacks.append(TrainingLimits(max_steps=stopping.max_steps, max_seconds=60 * stopping.max_minutes))
    if isinstance(schedule, Plateau):
        callbacks.append(ReduceLROnPlateau(schedule))
    if settings.l1:
        callbacks.append(L1Penalty(settings.l1))
    if settings.ema:
        callbacks.append(WeightEMA(settings.ema))
    return callbacks
