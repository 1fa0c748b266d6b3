"""What no training can do: settings that do not fit the task or the network, refused before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.contracts import Spec
from headrace.errors import ConfigError
from headrace.training.settings import TrainSettings

if TYPE_CHECKING:
    from torch import nn


def check_settings_fit(settings: TrainSettings, spec: Spec, network: nn.Module) -> None:
    """Raises ConfigError for a setting that means nothing for this task or network."""
    if settings.sampling == "balanced" and spec.task != "classification":
        raise ConfigError(
            f"params.yaml: train.sampling: 'balanced' draws classes, and the data are for {spec.task}; set shuffled"
        )
    if isinstance(settings.batch_size, int) and settings.accumulate > settings.batch_size:
        raise ConfigError(
            f"params.yaml: train.accumulate: a batch_size of {settings.batch_size} has no {settings.accumulate} parts; "
            f"use at most {settings.batch_size}"
        )
    for name, asked in _of_whole_weights(settings).items():
        if asked and settings.strategy == "fsdp":
            raise ConfigError(
                f"params.yaml: train.{name}: needs weights whole, and strategy fsdp shares them out; set strategy: ddp"
            )
    if settings.gradient_checkpointing:
        from headrace.training.engine.gradient_checkpointing import check_has_blocks

        check_has_blocks(network, str(settings.model["name"]))


def _of_whole_weights(settings: TrainSettings) -> dict[str, bool]:
    """Key -> whether it is asked for."""
    return {
        "ema": settings.ema > 0,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "l1": settings.l1 > 0,
        "optimizer: muon": settings.optimizer["name"] == "muon",
    }
