"""How much a training computes, counted and never timed: the same answer at every run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headrace.contracts import Json, Spec
from headrace.storage.arrays import Arrays
from headrace.training.settings import TrainSettings

ROWS_COUNTED = 8
USUAL_BATCH_SIZE = 64
FLOPS_WORTH_SHARING = 1e6
"""Floating-point operations of a mean operation of torch, from which on threads share it.

Measured at a step of the recipes' networks: 1 to 350 thousand for perceptrons, small convolutions, recurrent and small
attention networks (10 to 50 microseconds an operation, of which sharing costs several), 3.5 to 12 million for others.
"""
FLOPS_A_SECOND = 3e10
"""Of one core (two cores of an AMD EPYC with AVX-512: 2e10 for attention, 4e10 convolutions, 7e10 perceptrons)."""
SECONDS_A_STEP, SECONDS_AN_AUGMENTED_ROW = 2e-3, 1e-4
"""What a step costs beside its arithmetic, and what a transformed image does."""


class Workload(NamedTuple):
    """What a training costs."""

    num_rows: int
    """Train rows."""

    flops_a_row: float
    """Forward and backward."""
    num_operations: int
    """Of torch, in a step; a batch of any size takes as many."""

    def is_worth_sharing(self, num_rows: int) -> bool:
        """Whether threads gain on a batch of so many rows."""
        return self.flops_a_row * num_rows / self.num_operations >= FLOPS_WORTH_SHARING

    def seconds(self, settings: TrainSettings, *, num_threads: int) -> float:
        """How long the whole training will take in one process, roughly; early stopping is left aside."""
        rows = self.num_rows * settings.max_epochs
        augmented = SECONDS_AN_AUGMENTED_ROW * rows if settings.augmentation else 0.0
        arithmetic = rows * self.flops_a_row / (FLOPS_A_SECOND * num_threads)
        return arithmetic + augmented + SECONDS_A_STEP * self.num_steps(settings)

    def num_steps(self, settings: TrainSettings) -> int:
        """Optimizer steps of the whole training, roughly; early stopping is left aside."""
        batch_size = USUAL_BATCH_SIZE if settings.batch_size == "auto" else min(settings.batch_size, self.num_rows)
        return self.num_rows * settings.max_epochs // batch_size


def count_workload(model: Json, spec: Spec, transform: Json, train: Arrays, loss: str = "auto") -> Workload:
    """Counts a pass over a few train rows; raises ConfigError when the model does not fit the data.

    What torch runs as one operation of oneDNN without a formula (an LSTM) counts nothing.
    """
    import torch
    from torch.utils import flop_counter

    from headrace.models.network import build_network
    from headrace.training.autotune.operation_counter import OperationCounter, avoid_dynamo_import

    avoid_dynamo_import(getattr(flop_counter, "_FlopCounterMode", OperationCounter), OperationCounter)
    network = build_network(model, spec, transform, loss)
    inputs = torch.from_numpy(np.array(train.inputs[:ROWS_COUNTED]))
    with flop_counter.FlopCounterMode(display=False) as flops, OperationCounter() as operations:
        network(inputs).sum().backward()
    return Workload(len(train), flops.get_total_flops() / len(inputs), max(operations.count, 1))
