"""Many workers: a simulation of the order of rows at 1,024 ranks, and a model of the time of a step.

`python benchmarks/scaling.py` prints the tables of docs/scaling.md; nothing but the order of rows is run.
"""

import os
import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from rows import Row, Size

from headrace.training.sampling.batch_order import BatchOrder

NAMES = ("scaling",)
NUM_RANKS = 1_024
NUM_ROWS: dict[Size, int] = {"full": 10_000_019, "quick": 100_003}
"""Primes: neither batches nor shares are of one size."""
BATCH_SIZE = 32_768
EPOCH, SEED = 3, 7
MAX_STATE_BYTES = 1_000_000
WORKERS = (1, 2, 4, 8, 16, 64, 256, 1_024)


class Simulation(NamedTuple):
    """What 1,024 ranks do in one epoch."""

    times_seen: tuple[int, int]
    """The fewest and the most times that a row is in a share."""
    num_rows: int
    state_bytes: int
    """What a worker needs to go on at any step, besides the labels of a balanced draw."""
    first_rows: tuple[int, int]
    """Rows that a rank reads for its first batch: the fewest and the most."""
    seconds_to_first: float
    """Of one rank, from nothing to the rows of its first share."""
    microseconds_per_share: float


class Network(NamedTuple):
    """A network and what its step costs one worker."""

    title: str
    num_parameters: int
    seconds_per_row: float


class Link(NamedTuple):
    """What connects the workers."""

    title: str
    bytes_per_second: float
    latency_s: float


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Simulates the ranks one after the other."""
    del names
    found = simulate(NUM_ROWS[size])
    notes = (
        f"{NUM_RANKS:,} ranks, {found.num_rows:,} rows, batches of {BATCH_SIZE:,}, one epoch; state of a rank:"
        f" {found.state_bytes} bytes; rows read for its first batch: {found.first_rows[0]} to {found.first_rows[1]};"
        f" {found.seconds_to_first:.2f} s to its first share, {found.microseconds_per_share:.1f} us for each other"
    )
    yield Row(
        "scaling",
        f"rows that {NUM_RANKS:,} ranks see once an epoch, of all rows",
        float(found.times_seen == (1, 1)),
        target=1.0,
        conditions={
            f"state of a rank below {MAX_STATE_BYTES:,} bytes": found.state_bytes < MAX_STATE_BYTES,
            "the first batch reads the rows of its share only": found.first_rows == (BATCH_SIZE // NUM_RANKS,) * 2,
        },
        notes=notes,
    )


def simulate(num_rows: int) -> Simulation:
    """Takes the shares of all ranks for one epoch."""
    order = BatchOrder(num_rows, BATCH_SIZE, SEED, num_workers=NUM_RANKS)
    start = time.perf_counter()
    next(order.shares(EPOCH))
    seconds_to_first = time.perf_counter() - start
    rows = order.rows_of_epoch(EPOCH)
    seen, firsts, num_shares = np.zeros(num_rows, np.int64), [], 0
    start = time.perf_counter()
    for rank in range(NUM_RANKS):
        own = replace(order, rank=rank)
        for step, share in enumerate(own.split_rows(rows)):
            seen[share.rows[share.weights > 0]] += 1
            num_shares += 1
            if step == 0:
                firsts.append(len(share.rows))
    microseconds = (time.perf_counter() - start) / num_shares * 1e6
    state = len(pickle.dumps((order, EPOCH, order.num_steps - 1)))
    ends = (int(seen.min()), int(seen.max()))
    return Simulation(ends, num_rows, state, (min(firsts), max(firsts)), seconds_to_first, microseconds)


def model_step(network: Network, link: Link, num_workers: int, batch_size: int) -> tuple[float, float]:
    """Seconds of computing and of exchanging gradients in a step.

    Each worker computes its share of the batch. A ring all-reduce sends 2 (N - 1) / N of the gradients' bytes over
    each link, in 2 (N - 1) messages (Patarasuk and Yuan, 2009, https://doi.org/10.1016/j.jpdc.2008.09.002).
    """
    compute = -(-batch_size // num_workers) * network.seconds_per_row
    rounds = 2 * (num_workers - 1)
    exchange = rounds / num_workers * 4 * network.num_parameters / link.bytes_per_second + rounds * link.latency_s
    return compute, exchange if num_workers > 1 else 0.0


def list_speedups(network: Network, link: Link, batch_size: int) -> list[str]:
    """Rows of a Markdown table: the speed over one worker without and with overlap of computing and exchange."""
    alone = sum(model_step(network, link, 1, batch_size))
    lines = []
    for num_workers in WORKERS:
        compute, exchange = model_step(network, link, num_workers, batch_size)
        worst, best = alone / (compute + exchange), alone / max(compute, exchange)
        cells = (f"{num_workers:,}", f"{compute * 1e3:.2f}", f"{exchange * 1e3:.2f}", f"{worst:.1f}", f"{best:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


EXAMPLES = (
    (Network("`cnn` of 94,000 parameters on CPUs", 94_000, 1 / 20_000), Link("1 Gbit/s", 1.25e8, 1e-4), 2_048),
    (Network("25 million parameters on GPUs", 25_000_000, 1 / 2_500), Link("100 Gbit/s", 1.25e10, 1e-5), 32_768),
)

if __name__ == "__main__":
    for row in measure(NAMES, "full"):
        print(row.title, row.value, row.conditions, row.notes, f"{os.cpu_count()} cores", sep="\n")
    for network, link, batch_size in EXAMPLES:
        print(f"\n{network.title}, {link.title}, {link.latency_s * 1e6:.0f} us, batch {batch_size:,}")
        print("\n".join(list_speedups(network, link, batch_size)))
