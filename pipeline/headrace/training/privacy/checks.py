"""What a private training is refused for before it starts: networks whose rows see each other, a delta too large."""

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
from headrace.training.privacy.per_sample_gradients import RowGradients
from headrace.training.settings import TrainSettings, delta_of

ROWS_TRIED = 2


def check_privacy_compatible(
    network: nn.Module, task: Task, settings: TrainSettings, *, transform: Json, folder: Path
) -> None:
    """Raises ConfigError for a network that cannot be trained privately on `folder`'s train rows; tries two of them."""
    rows, privacy = open_arrays(folder / "train"), settings.privacy
    if privacy is None:
        return
    delta_of(privacy, len(rows))
    _refuse_norms(network, settings.model["name"])
    options = task.loss_options(settings.model_dump(), transform)
    some = np.arange(min(ROWS_TRIED, len(rows)))
    inputs, targets = torch.from_numpy(np.array(rows.inputs[some])), torch.from_numpy(np.array(rows.targets[some]))
    gradients = RowGradients(network.train(), lambda outputs, batch: task.loss(outputs, batch, options))
    try:
        gradients.clipped_sum(Batch(inputs, targets, torch.ones(len(some)), len(some)), privacy.clip)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0][:160]
        raise ConfigError(
            f"params.yaml: train.model: {settings.model['name']!r} gives no gradients of single rows, which "
            f"train.privacy needs ({reason}); choose another model (of recurrent ones: cell: lstm), or take privacy out"
        ) from None


def _refuse_norms(network: nn.Module, name: str) -> None:
    """Batch norm has every row see the others; kept statistics (instance norm's too) are train rows without noise."""
    for module in network.modules():
        if isinstance(module, _BatchNorm) or (isinstance(module, _NormBase) and module.track_running_stats):
            raise ConfigError(
                f"params.yaml: train.model: {name!r} has {type(module).__name__}, which mixes the rows of a batch or "
                "keeps their statistics: train.privacy cannot bound what one row does; use another norm (resnet: "
                "norm: group; cnn: batch_norm: false)"
            )
