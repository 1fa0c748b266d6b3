"""Headrace's network of system 001 in bare PyTorch, to measure what gradient synchronization costs on this machine.

Usage: ddp_program.py PROCESSES SYNC STEPS. SYNC: `ddp` (DistributedDataParallel over gloo) or `none` (independent
processes). Each process has one thread and one core. Prints one line of JSON: rows per second of all processes.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from random_rows import NETWORKS, NUM_CLASSES, SHAPES
from torch import nn, optim

from headrace.models.cnn import Cnn
from headrace.runtime import keep_freed_memory

BATCH_SIZE, NUM_WARMUP_STEPS = 64, 20


def train(rank: int, shared_dir: str, num_processes: int, sync: str, num_steps: int) -> None:
    """Trains on one fixed batch; all processes start and end together, and the first writes rate.json."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    torch.set_num_threads(1)
    keep_freed_memory()
    dist.init_process_group("gloo", init_method=f"file://{shared_dir}/init", rank=rank, world_size=num_processes)
    options = {key: value for key, value in NETWORKS["001"].items() if key != "name"}
    network = Cnn(**options).build(SHAPES["001"], NUM_CLASSES)
    if sync == "ddp" and num_processes > 1:
        network = nn.parallel.DistributedDataParallel(network, gradient_as_bucket_view=True)
    optimizer = optim.Adam(network.parameters(), 1e-3, fused=True)
    height, width, channels = SHAPES["001"]
    images = torch.rand(BATCH_SIZE, height, width, channels).permute(0, 3, 1, 2)  # channels last, as in stored rows
    targets = torch.randint(0, NUM_CLASSES, (BATCH_SIZE,))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), targets).backward()
        optimizer.step()

    for _ in range(NUM_WARMUP_STEPS):
        step()
    dist.barrier()
    started = time.perf_counter()
    for _ in range(num_steps):
        step()
    dist.barrier()
    if rank == 0:
        rate = num_processes * num_steps * BATCH_SIZE / (time.perf_counter() - started)
        (Path(shared_dir) / "rate.json").write_text(json.dumps({"rate": rate}))
    dist.destroy_process_group()


def main() -> None:
    num_processes, sync, num_steps = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with TemporaryDirectory() as shared_dir:
        worker = partial(train, num_processes=num_processes, sync=sync, num_steps=num_steps)
        torch.multiprocessing.spawn(worker, (shared_dir,), nprocs=num_processes)
        print((Path(shared_dir) / "rate.json").read_text())


if __name__ == "__main__":
    main()
