"""The plan of a training: when workers pay off, and settings that do not fit the data."""

import json
import re
from typing import Any

import pytest

from headrace.cluster import session, worker_plan
from headrace.cluster.worker_plan import plan_devices, plan_training, plan_workers
from headrace.contracts import Spec
from headrace.errors import ClusterError, DataError
from headrace.paths import Paths
from headrace.training.autotune.tuner import Machine
from headrace.training.settings import TrainSettings

MODEL = {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16]}
SETTINGS = {"model": MODEL, "max_epochs": 4, "batch_size": 24, "num_workers": "auto"}


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


@pytest.mark.parametrize(
    ("num_gpus", "use_gpu", "resources", "line"),
    [
        (0, False, {"CPU": 3}, ""),
        (2, True, {"CPU": 3, "GPU": 1}, ""),
        (8, True, {"CPU": 3, "GPU": 1}, ""),
        (1, False, {"CPU": 3}, "train.num_workers: 2 workers train on CPUs, since each needs a GPU and there are 1;"),
    ],
)
def test_each_worker_has_a_gpu_or_none_has(
    num_gpus: int, use_gpu: bool, resources: dict[str, int], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from ray.train import ScalingConfig
    from ray.train.torch import TorchConfig

    devices = plan_devices(2, 3, num_gpus)
    assert devices == {"num_workers": 2, "use_gpu": use_gpu, "resources_per_worker": resources}
    assert ScalingConfig(**devices).total_resources == {name: 2 * value for name, value in resources.items()}
    assert capsys.readouterr().out.startswith(line)
    assert TorchConfig().backend is None  # then Ray chooses NCCL for workers with GPUs


def plan(paths: Paths, **changes: Any) -> Machine:
    transform = json.loads((paths.normalized_dir / "transform.json").read_text())
    settings = TrainSettings.model_validate(SETTINGS | changes)
    machine, _ = plan_training(settings, Spec.read(paths.normalized_dir), transform, paths.normalized_dir)
    return machine


def test_plan_training_uses_workers_that_pay_for_their_start_and_each_step(
    trained: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def num_workers(start: float, step: float) -> int:
        monkeypatch.setattr(worker_plan, "MIN_SECONDS_FOR_RAY", start)
        monkeypatch.setattr(worker_plan, "MIN_STEP_SECONDS_FOR_RAY", step)
        return plan(trained).num_workers

    assert num_workers(start=0.0, step=0.0) == 2
    assert num_workers(start=0.0, step=10.0) == 0
    assert num_workers(start=1e4, step=0.0) == 0


def test_plan_training_says_why_a_training_stays_in_this_process(
    trained: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_plan, "MIN_SECONDS_FOR_RAY", 1234.0)
    monkeypatch.setattr(worker_plan, "MIN_STEP_SECONDS_FOR_RAY", 0.0)
    assert plan(trained).num_workers == 0
    line = r"num_workers auto: this process alone, for an estimated [\d,]+ s; Ray workers pay off from 1,234 s on\n"
    assert re.fullmatch(line, capsys.readouterr().out)
    assert plan(trained, num_workers=0).num_workers == 0
    assert capsys.readouterr().out == "", "nothing was decided"


def test_plan_training_refuses_a_batch_that_workers_cannot_divide(
    trained: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_plan, "plan_workers", lambda *_: (5, 1))
    with pytest.raises(DataError, match=r"train\.batch_size: 24 rows cannot be divided among 5 workers"):
        plan(trained)


NETS = """
from torch import nn


class Functional(nn.Module):
    def build(self, input_shape, num_outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 8), self, nn.Linear(8, num_outputs))

    def forward(self, values):
        return nn.functional.dropout(values, 0.5, self.training)


class Layers:
    def build(self, input_shape, num_outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.Dropout(0.5), nn.Linear(8, num_outputs))
"""


@pytest.mark.parametrize(
    ("name", "num_workers", "num_warnings"), [("Functional", 2, 1), ("Functional", 0, 0), ("Layers", 2, 0)]
)
def test_plan_training_warns_of_draws_that_depend_on_the_workers(
    name: str, num_workers: int, num_warnings: int, *,
    trained: Paths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (trained.root / "drawing_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(trained.root)
    plan(trained, model={"name": f"drawing_nets:{name}"}, num_workers=num_workers)
    assert len(caplog.messages) == num_warnings
    assert all("'drawing_nets:Functional' draws random numbers" in message for message in caplog.messages)
