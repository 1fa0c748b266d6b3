"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.learning.settings import TrainSettings

MOMENTUM = 0.9
WARM_UP_SHARE = 0.25

OPTIMIZERS: dict[str, Callable[[nn.Module, TrainSettings], Optimizer]] = {
    "adam": lambda network, s: Adam(network.parameters(), s.learning_rate, weight_decay=s.weight_decay),
    "adamw": lambda network, s: AdamW(network.parameters(), s.learning_rate, weight_decay=s.weight_decay),
    "gd": lambda network, s: SGD(network.parameters(), s.learning_rate, weight_decay=s.weight_decay),
    "sgd": lambda network, s: SGD(
        network.parameters(), s.learning_rate, momentum=MOMENTUM, nesterov=True, weight_decay=s.weight_decay
    ),
}


def constant(done: float) -> float:  # noqa: ARG001 one signature for all
    """1 throughout."""
    return 1.0


def cosine(done: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts)."""
    return (1 + cos(pi * done)) / 2


def one_cycle(done: float) -> float:
    """A line up from 0.04 over the first quarter, half a cosine down to 0 (after Smith and Topin 2018)."""
    if done < WARM_UP_SHARE:
        return 0.04 + 0.96 * done / WARM_UP_SHARE
    return cosine((done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE))


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine, "one_cycle": one_cycle}
"""Name -> factor of the learning rate, of the share of the steps that is done (0 to 1)."""


def make_optimizer(network: nn.Module, settings: TrainSettings) -> Optimizer:
    """The optimizer over all parameters of the network."""
    return OPTIMIZERS[settings.optimizer](network, settings)


def make_schedule(optimizer: Optimizer, settings: TrainSettings, num_steps: int) -> LambdaLR:
    """The schedule over `num_steps` optimizer steps."""
    factor = SCHEDULES[settings.schedule]
    return LambdaLR(optimizer, lambda step: factor(min(step / num_steps, 1.0)))
