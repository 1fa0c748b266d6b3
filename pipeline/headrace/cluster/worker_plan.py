"""How many workers, with how many cores each: what `train.num_workers` means here."""

from __future__ import annotations

from headrace.cluster.session import available_workers, check_cpus, is_attached, num_local_cpus, num_local_gpus

SECONDS_WORTH_RAY, SECONDS_A_STEP_WORTH_SHARING = 60.0, 0.012
"""A training that one process ends sooner than the first, and so many of the second as it has steps, stays in it.

Two workers on two cores are up in 18 to 25 s (one process of two threads in 4), and then at best a third quicker: a
quarter of the time is saved, less the 3 ms a step in which gradients are summed. Two convolutions in batches of 32
(3 ms a step in one process) take twice as long in two; patches of photographs in batches of 128 (108 ms) gain a fifth.
"""


def plan_workers(wanted: int | str, expected_seconds: float | None = None, num_steps: int = 0) -> tuple[int, int]:
    """Workers and cores a worker; 0 workers means the calling process. Ray is not started on this machine for it.

    `expected_seconds` of one process on all cores, in `num_steps` steps: `auto` then spares a short training, or one
    of short steps, the start of Ray, where there are only this machine's CPUs. Raises ClusterError when there are fewer
    CPUs than workers.
    """
    if wanted == 0 or (wanted == "auto" and _is_short(expected_seconds, num_steps)):
        return 0, num_local_cpus()
    num_workers = available_workers() if wanted == "auto" else int(wanted)
    if is_attached():
        return num_workers, 1  # nodes differ: a CPU a worker fits wherever there is one
    check_cpus(num_workers, num_local_cpus(), "train.num_workers", "this machine")
    # Ray gives a worker one thread unless told: a lone worker on two cores would get half the machine
    return num_workers, num_local_cpus() // num_workers


def _is_short(expected_seconds: float | None, num_steps: int) -> bool:
    worth = SECONDS_WORTH_RAY + SECONDS_A_STEP_WORTH_SHARING * num_steps
    if expected_seconds is None or expected_seconds >= worth:
        return False
    return not is_attached() and num_local_gpus() == 0
