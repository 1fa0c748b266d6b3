"""The callbacks that settings ask for."""

from __future__ import annotations

import pytorch_lightning as pl

from headrace.training.callbacks.ema import Averaging
from headrace.training.callbacks.l1 import L1Penalty
from headrace.training.callbacks.lr_plateau import PlateauFalls
from headrace.training.callbacks.reporter import Patience
from headrace.training.callbacks.stopping import Limits
from headrace.training.optim.schedules import Plateau, schedule_options
from headrace.training.settings import TrainSettings


def chosen_callbacks(settings: TrainSettings) -> list[pl.Callback]:
    """Of early stopping, schedule, penalty and averaging; they stand behind what keeps weights."""
    stopping, schedule = settings.early_stopping, schedule_options(settings)
    found: list[pl.Callback] = []
    if stopping.patience:
        # by default it would be checked after ResumeState has written, and a resumed training would have waited
        # too little
        found.append(
            Patience(
                "val_loss", patience=stopping.patience, min_delta=stopping.min_delta, check_on_train_epoch_end=False
            )
        )
    if stopping.max_steps or stopping.max_minutes:
        found.append(Limits(max_steps=stopping.max_steps, max_seconds=60 * stopping.max_minutes))
    if isinstance(schedule, Plateau):
        found.append(PlateauFalls(schedule))
    if settings.l1:
        found.append(L1Penalty(settings.l1))
    if settings.ema:
        found.append(Averaging(settings.ema))
    return found
