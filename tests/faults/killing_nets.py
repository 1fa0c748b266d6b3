"""A model outside the package that ends its own process where `kill.json` in the current folder says; once."""

import json
import os
import signal
from pathlib import Path

import torch
from torch import nn

ORDER = Path("kill.json")
"""`{"when": "train" | "val" | "export", "rank": 0, "batch": 7}`: at that batch of this process, from 0."""
BATCHES = {"train": 0, "val": 0, "export": 0}


class KillingNet(nn.Module):
    """A small network with dropout and batch normalization."""

    def __init__(self, num_inputs, num_outputs):
        super().__init__()
        hidden = nn.Linear(num_inputs, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3)
        self.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(16, num_outputs))

    def forward(self, inputs):
        is_exporting = torch.compiler.is_compiling() or torch.compiler.is_exporting()
        obey("export" if is_exporting else "train" if self.training else "val")
        return self.layers(inputs)


def obey(when):
    """Counts a batch, and ends this process if it is the one of the order."""
    batch, BATCHES[when] = BATCHES[when], BATCHES[when] + 1
    if not ORDER.exists():
        return
    order = json.loads(ORDER.read_text())
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    if (order["when"], order["rank"], order["batch"]) == (when, rank, batch):
        ORDER.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


class Killing:
    def build(self, input_shape, num_outputs):
        height, width, channels = input_shape
        return KillingNet(height * width * channels, num_outputs)
