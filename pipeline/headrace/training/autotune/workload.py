"""Estimates the cost of a training by counting operations, so that the result is the same in every run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headrace.contracts import Json, Spec
from headrace.storage.arrays import Arrays
from headrace.training.settings import TrainSettings

NUM_COUNTED_ROWS = 8
DEFAULT_BATCH_SIZE = 64
MIN_FLOPS_TO_SHARE = 1e6
"""Mean floating-point operations per torch operation from which several threads are faster than one.

Measured for a step of the recipes' networks: 1 to 350 thousand for perceptrons, small convolutions, recurrent and small
attention networks (10 to 50 microseconds per operation, of which sharing costs several), 3.5 to 12 million for others.
"""
FLOPS_PER_SECOND = 3e10
"""Of one core (two cores of an AMD EPYC with AVX-512: 2e10 for attention, 4e10 convolutions, 7e10 perceptrons)."""
SECONDS_PER_STEP, SECONDS_PER_AUGMENTED_ROW = 2e-3, 1e-4
"""Overhead of a step in addition to its arithmetic, and the cost of an augmented image."""


class Workload(NamedTuple):
    """The cost of a training."""

    num_rows: int
    """Train rows."""
    flops_per_row: float
    """Forward and backward."""
    num_operations: int
    """Torch operations per step, the same for any batch size."""

    def is_worth_sharing(self, num_rows: int) -> bool:
        """Returns whether several threads are faster than one on a batch of this size."""
        return self.flops_per_row * num_rows / self.num_operations >= MIN_FLOPS_TO_SHARE

    def estimate_seconds(self, settings: TrainSettings, *, num_threads: int) -> float:
        """Estimates the duration of the whole training in one process, without early stopping."""
        rows = self.num_rows * settings.max_epochs
        augmented = SECONDS_PER_AUGMENTED_ROW * rows if settings.augmentation else 0.0
        arithmetic = rows * self.flops_per_row / (FLOPS_PER_SECOND * num_threads)
        return arithmetic + augmented + SECONDS_PER_STEP * self.estimate_steps(settings)

    def estimate_steps(self, settings: TrainSettings) -> int:
        """Estimates the optimizer steps of the whole training, without early stopping."""
        batch_size = DEFAULT_BATCH_SIZE if settings.batch_size == "auto" else min(settings.batch_size, self.num_rows)
        return self.num_rows * settings.max_epochs // batch_size


def count_workload(model: Json, spec: Spec, transform: Json, train: Arrays, loss: str = "auto") -> Workload:
    """Counts the operations for a few train rows; raises ConfigError if the model does not fit the data.

    Operations of oneDNN for which torch has no formula (an LSTM) count as nothing.
    """
    import torch
    from torch.utils import flop_counter

    from headrace.models.network import build_network
    from headrace.training.autotune.operation_counter import OperationCounter, avoid_dynamo_import

    avoid_dynamo_import(getattr(flop_counter, "_FlopCounterMode", OperationCounter), OperationCounter)
    network = build_network(model, spec, transform, loss)
    inputs = torch.from_numpy(np.array(train.inputs[:NUM_COUNTED_ROWS]))
    with flop_counter.FlopCounterMode(display=False) as flops, OperationCounter() as operations:
        network(inputs).sum().backward()
    return Workload(len(train), flops.get_total_flops() / len(inputs), max(operations.count, 1))
