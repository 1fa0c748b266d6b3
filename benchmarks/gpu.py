"""Measures training on one GPU: prints its rows and writes benchmarks/gpu.json. At most six minutes; no network.

Usage: python benchmarks/gpu.py [--quick]
"""

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import report
import torch
from environments import BENCH_DIR
from machine import describe_run
from projects import ROOT, read_metrics, read_train_rate, time_stage, write_params
from random_rows import SHAPES, write_random_rows
from rows import Row, Size, failed_row, median_ratio

from headrace.config import read_params
from headrace.contracts import Batch
from headrace.storage import atomic

LIMIT_S = 350
RECIPE = "cifar10-fast"
BATCH_SIZE = 512
NUM_ROWS: dict[Size, int] = {"full": 50_000, "quick": 5_000}
NUM_BATCHES, NUM_SUMS, SUM_BYTES = 300, 20, 100_000_000
FLOAT32, BF16, WORKER = "float32", "bf16", "bf16, one Ray worker"
CHANGES = {
    FLOAT32: {"precision": "32", "num_workers": 0},
    BF16: {"precision": "bf16", "num_workers": 0},
    WORKER: {"precision": "bf16", "num_workers": 1},
}


def measure_recipe(size: Size) -> Iterator[Row]:
    """Yields images/s of a recipe in both precisions, in this process and on one Ray worker that has the GPU."""
    recipe = read_params(ROOT / "recipes" / f"{RECIPE}.yaml")["train"]
    rates: dict[str, list[float]] = {name: [] for name in CHANGES}
    with tempfile.TemporaryDirectory(prefix="headrace-gpu-") as name:
        folder = Path(name)
        write_random_rows(folder, SHAPES["003"], num_train=NUM_ROWS[size], num_val=2_000)
        for program, changes in CHANGES.items():
            write_params(folder, {"train": recipe | {"batch_size": BATCH_SIZE, "max_epochs": 3} | changes})
            time_stage(folder, "train")
            rates[program].append(read_train_rate(folder))
            if program == WORKER and read_metrics(folder, "train")["workers"] != 1:
                raise RuntimeError("the training did not run on a Ray worker")
    notes = (
        f"`headrace train` of the recipe {RECIPE} on random rows of 32 x 32 x 3, batch {BATCH_SIZE}; median of epochs 2"
        " and 3. The CPU gathers and augments the rows of a batch while the GPU computes the one before"
    )
    for program, values in rates.items():
        title = f"recipe {RECIPE}, {program}: images/s"
        yield Row(f"gpu-recipe: {program}", title, values[0], "images/s", runs={program: values}, notes=notes)
    for first, second in ((BF16, FLOAT32), (WORKER, BF16)):
        pair = {program: rates[program] for program in (first, second)}
        title = f"recipe {RECIPE}: {first} relative to {second}"
        yield Row(f"gpu-recipe: {first} to {second}", title, median_ratio(pair), "x", runs=pair, runs_unit="images/s")


def measure_copies(size: Size) -> Iterator[Row]:
    """Yields the time of batches whose copies to the GPU are blocking, and pinned and non-blocking as in training."""
    from headrace.training.data_module import pin_batch  # imports Lightning

    rng, channels = torch.Generator().manual_seed(0), 3
    inputs = torch.randint(0, 256, (BATCH_SIZE, 32, 32, channels), dtype=torch.uint8, generator=rng)
    batch = Batch(inputs, torch.zeros(BATCH_SIZE, dtype=torch.int64), torch.ones(BATCH_SIZE), BATCH_SIZE)
    weights = torch.randn(32 * 32 * channels, 4096, device="cuda")

    def step(*, is_pinned: bool) -> None:
        copied = pin_batch(batch).inputs.to("cuda", non_blocking=True) if is_pinned else batch.inputs.to("cuda")
        for _ in range(4):
            copied.flatten(1).float() @ weights

    runs: dict[str, list[float]] = {"pinned, non-blocking": [], "pageable, blocking": []}
    for _ in range(1 if size == "quick" else 3):
        for (_, values), is_pinned in zip(runs.items(), (True, False), strict=True):
            values.append(1e6 * time_on_gpu(lambda is_pinned=is_pinned: step(is_pinned=is_pinned), NUM_BATCHES))
    yield Row(
        "gpu-copies", "a batch to the GPU and four products there: pinned and non-blocking relative to blocking copies",
        median_ratio(runs), "x", lower_is_better=True, runs=runs, runs_unit="us per batch",
        notes=f"uint8 of {BATCH_SIZE} x 32 x 32 x 3; the copy to page-locked memory is included",
    )  # fmt: skip


def measure_nccl(size: Size) -> Iterator[Row]:  # noqa: ARG001 the same for both
    """Yields the time of NCCL's sum of gradients in a group of one: what it costs a worker that has no other."""
    distributed = torch.distributed
    distributed.init_process_group("nccl", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        gradients = torch.ones(SUM_BYTES // 4, device="cuda")
        seconds = [time_on_gpu(lambda: distributed.all_reduce(gradients), NUM_SUMS) for _ in range(3)]
    finally:
        distributed.destroy_process_group()
    yield Row(
        "gpu-nccl", f"NCCL: all-reduce of {SUM_BYTES / 1e6:.0f} MB in a group of one GPU",
        1e3 * statistics.median(seconds), "ms", runs={"NCCL": [1e3 * value for value in seconds]}, runs_unit="ms",
        notes="no other GPU: this shows that NCCL works here, not what several GPUs cost",
    )  # fmt: skip


def time_on_gpu(call: Callable[[], object], num_calls: int) -> float:
    """Returns seconds per call, until the GPU has done its work; the first calls are not counted."""
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(num_calls):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / num_calls


def measure_all(size: Size) -> dict[str, list[Row]]:
    """Returns the rows by benchmark; what fails, or finds no time, is a failed row."""
    rows: dict[str, list[Row]] = {}
    deadline = time.monotonic() + LIMIT_S
    for name, measure in (("gpu-nccl", measure_nccl), ("gpu-copies", measure_copies), ("gpu-recipe", measure_recipe)):
        signal.alarm(max(1, int(deadline - time.monotonic())))
        rows[name] = []
        try:
            for row in measure(size):
                rows[name].append(row)
        except Exception as error:  # noqa: BLE001 the others are measured whatever happens here
            rows[name].append(failed_row(name, str(error) or type(error).__name__))
        finally:
            signal.alarm(0)
            for process in psutil.Process().children(recursive=True):
                process.kill()
        for row in rows[name]:
            print(report.format_row(row), flush=True)
    return rows


def raise_timeout(*_: object) -> None:
    raise TimeoutError(f"the {LIMIT_S} s of this script are over")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rows, to check that it runs")
    size: Size = "quick" if parser.parse_args().quick else "full"
    if not torch.cuda.is_available():
        print(
            "benchmarks/gpu.py: this machine has no GPU that torch can use; run it where there is one", file=sys.stderr
        )
        return 2
    signal.signal(signal.SIGALRM, raise_timeout)
    rows = measure_all(size)
    run = describe_run()
    run["machine"]["gpu"] = torch.cuda.get_device_name()
    path = BENCH_DIR / "gpu.json" if size == "full" else ROOT / ".headrace" / "bench" / "gpu.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_json(path, report.merge_results(report.empty_results(), rows, run=run))
    print(f"wrote {path}")
    return 1 if any(row.failure for group in rows.values() for row in group) else 0


if __name__ == "__main__":
    sys.exit(main())
