"""Our network of 001 in bare torch, by processes of one thread and one core each: what sharing gradients costs here.

Usage: bare_ddp.py PROCESSES SHARING STEPS. SHARING: `ddp` (DistributedDataParallel over gloo) or `apart` (nothing is
shared). Prints one line of JSON: rows a second of all processes together.
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
from drawn_rows import NETWORKS, NUM_CLASSES, SHAPES
from torch import nn, optim

from headrace.models.cnn import Cnn
from headrace.runtime import keep_freed_memory

BATCH_SIZE, NUM_WARM = 64, 20


def work(rank: int, meeting: str, num_processes: int, sharing: str, num_steps: int) -> None:
    """One process' steps, on a batch that stays the same; all begin and end together."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    torch.set_num_threads(1)
    keep_freed_memory()
    dist.init_process_group("gloo", init_method=f"file://{meeting}/meet", rank=rank, world_size=num_processes)
    options = {key: value for key, value in NETWORKS["001"].items() if key != "name"}
    network = Cnn(**options).build(SHAPES["001"], NUM_CLASSES)
    if sharing == "ddp" and num_processes > 1:
        network = nn.parallel.DistributedDataParallel(network, gradient_as_bucket_view=True)
    optimizer = optim.Adam(network.parameters(), 1e-3, fused=True)
    height, width, channels = SHAPES["001"]
    images = torch.rand(BATCH_SIZE, height, width, channels).permute(0, 3, 1, 2)  # as rows lie in our files
    targets = torch.randint(0, NUM_CLASSES, (BATCH_SIZE,))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), targets).backward()
        optimizer.step()

    for _ in range(NUM_WARM):
        step()
    dist.barrier()
    started = time.perf_counter()
    for _ in range(num_steps):
        step()
    dist.barrier()
    if rank == 0:
        rate = num_processes * num_steps * BATCH_SIZE / (time.perf_counter() - started)
        (Path(meeting) / "rate.json").write_text(json.dumps({"rate": rate}))
    dist.destroy_process_group()


def main() -> None:
    """Starts the processes, and prints what the first measured."""
    num_processes, sharing, num_steps = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with TemporaryDirectory() as meeting:
        each = partial(work, num_processes=num_processes, sharing=sharing, num_steps=num_steps)
        torch.multiprocessing.spawn(each, (meeting,), nprocs=num_processes)
        print((Path(meeting) / "rate.json").read_text())


if __name__ == "__main__":
    main()
