"""How many workers, with how many cores each: what `train.num_workers` means here."""

from __future__ import annotations

from pipeline.cluster.session import available_workers, check_cpus, is_attached, num_local_cpus, num_local_gpus

SECONDS_WORTH_RAY = 60.0
"""A training that one process ends sooner stays in it.

Two workers on two cores are up in 18 to 25 s (one process of two threads in 4), and then at best a third quicker.
"""


def plan_workers(wanted: int | str, expected_seconds: float | None = None) -> tuple[int, int]:
    """Workers and cores a worker; 0 workers means the calling process. Ray is not started on this machine for it.

    `expected_seconds` of one process on all cores: `auto` then spares a short training the start of Ray, where there
    are only this machine's CPUs. Raises ClusterError when there are fewer CPUs than workers.
    """
    if wanted == 0 or (wanted == "auto" and _is_short(expected_seconds)):
        return 0, num_local_cpus()
    num_workers = available_workers() if wanted == "auto" else int(wanted)
    if is_attached():
        return num_workers, 1  # nodes differ: a CPU a worker fits wherever there is one
    check_cpus(num_workers, num_local_cpus(), "train.num_workers", "this machine")
    # Ray gives a worker one thread unless told: a lone worker on two cores would get half the machine
    return num_workers, num_local_cpus() // num_workers


def _is_short(expected_seconds: float | None) -> bool:
    if expected_seconds is None or expected_seconds >= SECONDS_WORTH_RAY:
        return False
    return not is_attached() and num_local_gpus() == 0
