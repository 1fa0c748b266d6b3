"""Checks before a private training: rows must not influence each other, and delta must be small enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from headrace.contracts import Batch, Json
from headrace.errors import ConfigError
from headrace.storage.arrays import open_arrays
from headrace.tasks import Task
from headrace.training.privacy.per_sample_gradients import PerSampleGradients
from headrace.training.settings import Privacy, TrainSettings

NUM_TRIED_ROWS = 2
DELTA_EXPONENT = 1.1


def resolve_delta(privacy: Privacy, num_rows: int) -> float:
    """Returns the delta for this number of train rows; raises ConfigError if it is too large to protect a row.

    A delta of 1 / rows would allow publishing one random row (Dwork and Roth 2014, section 2.3).
    """
    delta = num_rows**-DELTA_EXPONENT if privacy.delta is None else privacy.delta
    if delta * num_rows >= 1:
        raise ConfigError(
            f"params.yaml: train.privacy.delta: {delta:g} does not protect {num_rows} train rows; must be less than "
            f"1 / rows, {1 / max(num_rows, 1):.2g}; set null for rows ^ -{DELTA_EXPONENT}"
        )
    return delta


def check_privacy_compatible(
    network: nn.Module, task: Task, settings: TrainSettings, *, transform: Json, folder: Path
) -> None:
    """Raises ConfigError if the network cannot be trained privately on the train rows in `folder`; tries two rows."""
    rows, privacy = open_arrays(folder / "train"), settings.privacy
    if privacy is None:
        return
    resolve_delta(privacy, len(rows))
    _check_norms(network, settings.model["name"])
    options = task.loss_options(settings, transform)
    tried = np.arange(min(NUM_TRIED_ROWS, len(rows)))
    inputs, targets = torch.from_numpy(np.array(rows.inputs[tried])), torch.from_numpy(np.array(rows.targets[tried]))
    gradients = PerSampleGradients(network.train(), lambda outputs, batch: task.loss(outputs, batch, options))
    try:
        gradients.clipped_sum(Batch(inputs, targets, torch.ones(len(tried)), len(tried)), privacy.clip)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0][:160]
        raise ConfigError(
            f"params.yaml: train.model: {settings.model['name']!r} has no per-sample gradients, which "
            f"train.privacy needs ({reason}); choose another model (recurrent ones: cell: lstm), or remove privacy"
        ) from None


def _check_norms(network: nn.Module, name: str) -> None:
    """Rejects batch norm, which mixes rows, and all running statistics, which are train data without noise."""
    for module in network.modules():
        if isinstance(module, _BatchNorm) or (isinstance(module, _NormBase) and module.track_running_stats):
            raise ConfigError(
                f"params.yaml: train.model: {name!r} has {type(module).__name__}, which mixes the rows of a batch or "
                "stores their statistics, so train.privacy cannot bound the influence of a row; use another norm "
                "(resnet: norm: group; cnn: batch_norm: false)"
            )
