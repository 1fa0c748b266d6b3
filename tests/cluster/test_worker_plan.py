import pytest

from headrace.cluster import session, worker_plan
from headrace.cluster.worker_plan import plan_workers
from headrace.errors import ClusterError


@pytest.fixture(autouse=True)
def _eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for module in (session, worker_plan):
        monkeypatch.setattr(module, "num_local_cpus", lambda: 8)
        monkeypatch.setattr(module, "num_local_gpus", lambda: 0)


@pytest.mark.parametrize(
    ("wanted", "seconds", "num_steps", "plan"),
    [
        (0, None, 0, (0, 8)),
        (1, None, 0, (1, 8)),
        (3, None, 0, (3, 2)),
        ("auto", None, 0, (2, 4)),
        ("auto", 1e4, 10_000, (2, 4)),
        ("auto", 5.0, 0, (0, 8)),  # a short training does not wait for Ray
        ("auto", 100.0, 25_000, (0, 8)),  # steps of 4 ms are not worth summing gradients between workers
        (1, 5.0, 0, (1, 8)),
    ],
)
def test_plan_divides_the_cores(
    wanted: int | str, seconds: float | None, num_steps: int, plan: tuple[int, int]
) -> None:
    assert plan_workers(wanted, seconds, num_steps) == plan


def test_plan_uses_workers_for_a_short_training_on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (session, worker_plan):
        monkeypatch.setattr(module, "num_local_gpus", lambda: 4)
    assert plan_workers("auto", 5.0) == (4, 2)


def test_plan_with_more_workers_than_cpus_fails() -> None:
    with pytest.raises(ClusterError, match=r"params.yaml: train.num_workers"):
        plan_workers(9)


def test_plan_on_a_cluster_has_one_cpu_per_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    assert plan_workers(9) == (9, 1)
