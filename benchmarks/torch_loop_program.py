"""The networks of systems 000, 001 and 003 in a hand-written PyTorch loop. Independent of this project.

Usage: torch_loop_program.py SYSTEM FOLDER BATCH_SIZE EPOCHS. FOLDER holds inputs.npy (uint8
`[rows, height, width, channels]`) and targets.npy. Prints one line of JSON: rows per second of each epoch.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn


def build_network(system: str, shape: tuple[int, ...]) -> nn.Sequential:
    """Builds the network as printed in the papers, for float inputs `[batch, channels, height, width]`."""
    third = [] if system == "000" else [nn.Conv2d(64, 64, 3), nn.ReLU()]
    layers = [nn.Conv2d(shape[-1], 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
    side = (shape[0] - 2) // 2 - 2
    side = side // 2 - (2 if third else 0)
    head = [nn.Flatten(), nn.Linear(64 * side * side, 64), nn.ReLU(), nn.Linear(64, 10)]
    return nn.Sequential(*layers, *third, *head)


def main() -> None:
    system, folder, batch_size, num_epochs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    inputs = torch.from_numpy(np.load(folder / "inputs.npy")).permute(0, 3, 1, 2).contiguous()
    targets = torch.from_numpy(np.load(folder / "targets.npy"))
    model = build_network(system, tuple(inputs.permute(0, 2, 3, 1).shape[1:]))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    rates = []
    for _ in range(num_epochs):
        order, started = torch.randperm(len(targets)), time.perf_counter()
        for start in range(0, len(targets), batch_size):
            rows = order[start : start + batch_size]
            images = (inputs[rows].float() / 255 - 0.13) / 0.31
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), targets[rows]).backward()
            optimizer.step()
        rates.append(len(targets) / (time.perf_counter() - started))
    print(json.dumps({"rates": rates, "num_parameters": sum(weights.numel() for weights in model.parameters())}))


main()
