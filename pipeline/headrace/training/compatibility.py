"""Checks, before a training starts, that its settings fit the task and the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.contracts import Spec
from headrace.errors import ConfigError
from headrace.training.settings import TrainSettings

if TYPE_CHECKING:
    from torch import nn


def check_settings_fit(settings: TrainSettings, spec: Spec, network: nn.Module) -> None:
    """Raises ConfigError for a setting that does not apply to this task or network."""
    if settings.sampling == "balanced" and spec.task != "classification":
        raise ConfigError(
            f"params.yaml: train.sampling: 'balanced' needs classes, and the task is {spec.task}; set shuffled"
        )
    if isinstance(settings.batch_size, int) and settings.accumulate > settings.batch_size:
        raise ConfigError(
            f"params.yaml: train.accumulate: cannot split a batch_size of {settings.batch_size} into "
            f"{settings.accumulate} parts; use at most {settings.batch_size}"
        )
    needs_full_weights = {
        "ema": settings.ema > 0,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "l1": settings.l1 > 0,
        "optimizer: muon": settings.optimizer["name"] == "muon",
    }
    for name, is_set in needs_full_weights.items():
        if is_set and settings.strategy == "fsdp":
            raise ConfigError(
                f"params.yaml: train.{name}: needs complete weights, and strategy fsdp shards them; set strategy: ddp"
            )
    if settings.gradient_checkpointing:
        from headrace.training.engine.gradient_checkpointing import check_has_blocks

        check_has_blocks(network, str(settings.model["name"]))
