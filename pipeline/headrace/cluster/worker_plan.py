"""The plan of a training: checks of its settings against the data, and how many workers and cores it uses."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from headrace.cluster.session import available_workers, check_cpus, is_attached, num_local_cpus, num_local_gpus
from headrace.contracts import Json, Spec
from headrace.data.augmenters import make_augmenter, make_mixers
from headrace.errors import DataError
from headrace.storage.arrays import open_arrays
from headrace.tasks import TASKS
from headrace.training.autotune.tuner import Machine
from headrace.training.autotune.workload import Workload, count_workload
from headrace.training.settings import TrainSettings

logger = logging.getLogger(__name__)
NUM_TRIED_ROWS = 2
MIN_SECONDS_FOR_RAY, MIN_STEP_SECONDS_FOR_RAY = 60.0, 0.012
"""`num_workers: auto` uses Ray if one process would take longer than the first, plus the second for every step.

On two cores, two workers start in 18 to 25 s (one process of two threads in 4) and are then at best a third faster.
They also sum gradients for 3 ms per step. Two convolutions in batches of 32 (3 ms per step in one process) take twice
as long on two workers; image patches in batches of 128 (108 ms) are a fifth faster.
"""


def plan_training(wanted: TrainSettings, spec: Spec, transform: Json, normalized_dir: Path) -> tuple[Machine, Workload]:
    """Returns workers, cores and workload of a training; raises, before Ray starts, what its workers would raise.

    Prints a line if `num_workers: auto` means the calling process.
    """
    from headrace.models.network import build_network  # imports torch
    from headrace.training.engine.gradient_checkpointing import check_has_blocks

    make_augmenter(spec.modality, wanted, transform)
    make_mixers(spec.modality, wanted, transform)
    TASKS[spec.task].loss_options(wanted, transform)
    network = build_network(wanted.model, spec, transform, wanted.loss)
    if wanted.gradient_checkpointing:
        check_has_blocks(network, str(wanted.model["name"]))
    workload = count_workload(wanted.model, spec, transform, open_arrays(normalized_dir / "train"), wanted.loss)
    seconds = workload.estimate_seconds(wanted, num_threads=num_local_cpus()) if wanted.strategy == "ddp" else None
    num_steps = workload.estimate_steps(wanted)
    num_workers, num_cores = plan_workers(wanted.num_workers, seconds, num_steps)
    if wanted.num_workers == "auto" and not num_workers and seconds is not None:
        print(  # noqa: T201
            f"num_workers auto: this process alone, for an estimated {seconds:,.0f} s; Ray workers pay off from"
            f" {_min_seconds(num_steps):,.0f} s on",
            flush=True,
        )
    if num_workers > 1 and wanted.batch_size != "auto" and wanted.batch_size % num_workers:
        raise DataError(
            f"params.yaml: train.batch_size: {wanted.batch_size} rows cannot be divided among {num_workers} workers; "
            f"choose a multiple of {num_workers}, or set train.num_workers"
        )
    if num_workers > 1:
        _warn_of_draws_by_worker(network, normalized_dir, str(wanted.model["name"]))
    if wanted.privacy:
        from headrace.training.privacy.checks import check_privacy_compatible  # imports torch

        check_privacy_compatible(network, TASKS[spec.task], wanted, transform=transform, folder=normalized_dir)
    return Machine(num_workers, num_cores), workload


def _warn_of_draws_by_worker(network: Any, normalized_dir: Path, name: str) -> None:
    import numpy as np
    import torch

    from headrace.training.engine.row_dropout import draws_otherwise  # imports torch

    inputs = open_arrays(normalized_dir / "train").inputs[:NUM_TRIED_ROWS]
    if draws_otherwise(network, torch.from_numpy(np.array(inputs))):
        logger.warning(
            "params.yaml: train.model: %r draws random numbers outside of nn.Dropout layers, others on each worker: "
            "the weights depend on the number of workers; use nn.Dropout, nn.Dropout1d, nn.Dropout2d or nn.Dropout3d",
            name,
        )


def plan_workers(wanted: int | str, expected_seconds: float | None = None, num_steps: int = 0) -> tuple[int, int]:
    """Returns workers and cores per worker, without starting Ray on this machine; 0 workers: the calling process.

    `expected_seconds` is the time of `num_steps` steps in one process on all cores. If it is short and there are only
    this machine's CPUs, `auto` means 0. Raises ClusterError if there are fewer CPUs than workers.
    """
    if wanted == 0 or (wanted == "auto" and _is_short(expected_seconds, num_steps)):
        return 0, num_local_cpus()
    num_workers = available_workers() if wanted == "auto" else int(wanted)
    if is_attached():
        return num_workers, 1  # nodes differ, and any node with a free CPU fits one worker
    check_cpus(num_workers, num_local_cpus(), "train.num_workers", "this machine")
    # Ray's default is one thread per worker: a single worker on two cores would use half the machine
    return num_workers, num_local_cpus() // num_workers


def plan_devices(num_workers: int, num_threads: int, num_gpus: int) -> Json:
    """Returns the fields of Ray's ScalingConfig: a GPU for each worker, and with it NCCL, or CPUs for all.

    Prints a line if there are GPUs, but too few: workers do not share one.
    """
    use_gpu = num_gpus >= num_workers
    if 0 < num_gpus < num_workers:
        print(  # noqa: T201
            f"train.num_workers: {num_workers} workers train on CPUs, since each needs a GPU and there are {num_gpus};"
            f" set {num_gpus}, or auto, to train on GPUs",
            flush=True,
        )
    resources = {"CPU": num_threads} | ({"GPU": 1} if use_gpu else {})
    return {"num_workers": num_workers, "use_gpu": use_gpu, "resources_per_worker": resources}


def _is_short(expected_seconds: float | None, num_steps: int) -> bool:
    if expected_seconds is None or expected_seconds >= _min_seconds(num_steps):
        return False
    return not is_attached() and num_local_gpus() == 0


def _min_seconds(num_steps: int) -> float:
    return MIN_SECONDS_FOR_RAY + MIN_STEP_SECONDS_FOR_RAY * num_steps
