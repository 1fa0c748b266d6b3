"""How many workers, with how many threads each: what `train.num_workers` means here."""

from __future__ import annotations

from pipeline.cluster.session import available_workers, check_cpus, is_attached, num_local_cpus


def plan_workers(wanted: int | str) -> tuple[int, int]:
    """Workers and threads a worker; 0 workers means the calling process. Ray is not started on this machine for it.

    Raises ClusterError when there are fewer CPUs than workers.
    """
    if wanted == 0:
        return 0, num_local_cpus()
    num_workers = available_workers() if wanted == "auto" else int(wanted)
    if is_attached():
        return num_workers, 1  # nodes differ: a CPU a worker fits wherever there is one
    check_cpus(num_workers, num_local_cpus(), "train.num_workers", "this machine")
    # Ray gives a worker one thread unless told: a lone worker on two cores would get half the machine
    return num_workers, num_local_cpus() // num_workers
