"""Ray's share of a training, and what a second worker brings."""

import statistics
import sys
from collections.abc import Iterator, Sequence

from drawn_rows import SHAPES, draw, train_settings
from environments import BENCH_DIR, run_program
from projects import metrics, project, steady_rate, time_stage, write_params
from rows import NUM_RUNS, Row, Size, ratio

NAMES = ("ray-share", "two-workers")
BATCH_SIZE_PER_WORKER = 64
NUM_ROWS: dict[Size, int] = {"full": 19_200, "quick": 1_280}
NUM_BARE_STEPS: dict[Size, int] = {"full": 300, "quick": 20}
ONE, TWO = "1 worker", "2 workers"
BARE = {"alone": (1, "apart"), "two that share nothing": (2, "apart"), "two by DistributedDataParallel": (2, "ddp")}
"""Bare loops -> processes, and what they share."""


def measure(names: Sequence[str], size: Size) -> Iterator[Row]:
    """Both rows from the same trainings: two workers, and one, in turn."""
    rates: dict[str, list[float]] = {TWO: [], ONE: []}
    shares: list[float] = []
    bare: dict[str, list[float]] = {side: [] for side in BARE}
    with project() as folder:
        draw(folder, SHAPES["001"], num_train=NUM_ROWS[size], num_val=512)
        for _ in range(NUM_RUNS[size]):
            for num_workers, side in ((2, TWO), (1, ONE)):
                if side == ONE and "two-workers" not in names:
                    continue
                batch_size = num_workers * BATCH_SIZE_PER_WORKER
                train = train_settings("001", batch_size=batch_size, max_epochs=3, num_workers=num_workers)
                write_params(folder, {"train": train})
                seconds = time_stage(folder, "train", cores=num_workers).seconds
                rates[side].append(steady_rate(folder))
                if side == TWO:
                    shares.append(seconds - metrics(folder, "train")["fit_seconds"])
            if "two-workers" in names:
                for side, (num_processes, sharing) in BARE.items():
                    bare[side].append(bare_rate(num_processes, sharing, size))
    if "ray-share" in names:
        yield Row(
            "ray-share",
            "`headrace train` with 2 workers: wall time less the fit",
            statistics.median(shares),
            "s",
            bar=20,
            is_upper=True,
            runs={"headrace": shares},
            runs_unit="s",
            unequal="nothing to compare with; holds the start of Python and Ray, imports, export, its check, tracking",
        )
    if "two-workers" in names:
        yield Row(
            "two-workers",
            f"network of 001, {BATCH_SIZE_PER_WORKER} rows a worker and step: 2 workers of 1 thread against 1",
            ratio(rates),
            "x",
            bar=1.8,
            runs=rates,
            runs_unit="rows/s",
            unequal="each side is left as many cores as it has workers, so the single worker shares its core with"
            " Ray's own processes; two workers also share gradients each step; the batch of two is twice as large",
        )
        for side in list(BARE)[1:]:
            yield Row(
                f"two-workers: {side}",
                f"the same network in bare torch: {side}, against one alone",
                ratio({name: bare[name] for name in (side, "alone")}),
                "x",
                runs={name: bare[name] for name in (side, "alone")},
                runs_unit="rows/s",
                unequal="no bar: what this machine leaves of two workers before any of ours. A process has one thread"
                " and a core of its own, one batch of 64 rows over and over, float32; nothing is read, summed or told",
            )


def bare_rate(num_processes: int, sharing: str, size: Size) -> float:
    """Rows a second of all processes of `bare_ddp.py`."""
    told = run_program(sys.executable, BENCH_DIR / "bare_ddp.py", num_processes, sharing, NUM_BARE_STEPS[size])
    return float(told["rate"])
