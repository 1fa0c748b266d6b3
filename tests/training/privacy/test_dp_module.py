"""Private trainings: what a step does, and that they repeat themselves, for any number of workers and after a kill."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headrace.contracts import Batch
from headrace.paths import Paths
from headrace.storage.bundle import WEIGHTS
from headrace.tasks import TASKS
from headrace.training.fit import PRIVACY_KEY, FitJob, WorkerContext, fit, read_result
from headrace.training.privacy.dp_module import DPTrainingModule
from headrace.training.privacy.keyed_random import derive_key
from headrace.training.privacy.per_sample_gradients import PerSampleGradients
from headrace.training.privacy.poisson_sampling import PoissonBatchOrder
from headrace.training.reporting.events import Event
from headrace.training.settings import ResolvedTrainSettings

ROWS = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 6))).float()
TARGETS = torch.from_numpy(np.random.default_rng(1).integers(0, 3, 40))
SETTINGS = {
    "model": {"name": "cnn", "blocks": [8, "pool", 16, "pool"], "dense": [16], "activation": "tanh", "dropout": 0.1},
    "max_epochs": 3,
    "batch_size": 60,
    "learning_rate": 1e-2,
    "num_workers": 0,
    "privacy": {"epsilon": 20.0, "secure": False},
}
KILLED = """
import json, sys
from headrace.training.fit import FitJob, WorkerContext, fit
folder, work_dir, settings = sys.argv[1:]
def tell(event):
    if event["kind"] == "epoch":
        print(event["epoch"], flush=True)
        if event["epoch"] == 1:
            sys.stdin.readline()
fit(FitJob(folder, work_dir, json.loads(settings)), tell, WorkerContext(num_threads=1))
"""


def order_of(rank: int = 0, num_workers: int = 1) -> PoissonBatchOrder:
    return PoissonBatchOrder(40, 10, 0, rank, num_workers, key=derive_key(0))


def learner(rank: int = 0, num_workers: int = 1, reduce: Callable[..., Tensor] | None = None) -> DPTrainingModule:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    settings = ResolvedTrainSettings(max_epochs=2, batch_size=10, privacy={"epsilon": 5.0, "clip": 0.5})
    made = DPTrainingModule(network, TASKS["classification"], settings, transform={}, order=order_of())
    made._trainer = SimpleNamespace(  # type: ignore[assignment]
        world_size=num_workers, current_epoch=0, global_rank=rank, strategy=SimpleNamespace(reduce=reduce)
    )
    return made


def batch_of(step: int, rank: int = 0, num_workers: int = 1) -> Batch:
    share = list(order_of(rank, num_workers).shares(0))[step]
    rows = torch.from_numpy(share.rows)
    return Batch(ROWS[rows], TARGETS[rows], torch.from_numpy(share.weights), share.num_rows)


def gradient(made: DPTrainingModule) -> Tensor:
    return torch.cat([weight.grad.flatten() for weight in made.parameters() if weight.grad is not None])


def test_step_is_the_clipped_sum_and_the_noise_over_the_expected_rows() -> None:
    made, batch = learner(), batch_of(2)
    assert batch.num_rows != 10, "the batch's own size has no part in it"
    made.backward(made.training_step(batch, 2))
    clipped, _ = PerSampleGradients(
        made.network, lambda outputs, batch: made.task.loss(outputs, batch, made.loss_options)
    ).clipped_sum(batch, 0.5)
    noise = made.noise.draw(0, 2, len(clipped))
    torch.testing.assert_close(gradient(made), (clipped + noise) / 10)
    assert float(noise.std()) == pytest.approx(0.5 * made.noise.multiplier, rel=0.2)


@pytest.mark.parametrize("num_workers", [2, 3])
@pytest.mark.parametrize("step", [0, 3])
def test_gradient_of_several_workers_is_that_of_one(step: int, num_workers: int) -> None:
    whole = learner()
    whole.backward(whole.training_step(batch_of(step), step))
    parts: list[Tensor] = []

    def reduce(part: Tensor, **_: Any) -> Tensor:
        parts.append(part)
        return torch.stack(parts).sum(dim=0)

    for rank in range(num_workers):  # the last one's sum is of all
        made = learner(rank, num_workers, reduce)
        made.backward(made.training_step(batch_of(step, rank, num_workers), step))
    torch.testing.assert_close(gradient(made), gradient(whole), rtol=1e-5, atol=1e-6)


def test_empty_batch_is_a_step_along_noise_alone() -> None:
    made = learner()
    empty = Batch(ROWS[:1], TARGETS[:1], torch.zeros(1), 0)
    assert float(made.training_step(empty, 1)) == 0
    made.backward(torch.zeros(()))
    expected = made.noise.draw(0, 1, sum(weight.numel() for weight in made.parameters())) / 10
    torch.testing.assert_close(gradient(made), expected)
    assert made.train_sums.tolist() == [0.0, 0.0, 0.0]


def test_noise_is_of_its_multiplier_and_another_each_step() -> None:
    noise = learner().noise
    drawn = torch.stack([noise.draw(epoch, step, 5000) for epoch in range(2) for step in range(2)])
    assert float(drawn.std()) == pytest.approx(noise.clip * noise.multiplier, rel=0.03)
    assert torch.corrcoef(drawn).fill_diagonal_(0).abs().max() < 0.06


def train(paths: Paths, name: str, observer: Callable[[Event], None] = lambda _: None, **settings: Any) -> Path:
    work_dir = paths.root / name
    work_dir.mkdir(exist_ok=True)
    fit(FitJob(str(paths.normalized_dir), str(work_dir), SETTINGS | settings), observer, WorkerContext(num_threads=1))
    return work_dir


def weights(work_dir: Path) -> bytes:
    return (work_dir / WEIGHTS).read_bytes()


def result(work_dir: Path) -> Any:
    found = read_result(work_dir)
    assert found is not None
    return found


class KilledError(Exception):
    """Stands for a kill."""


def killed(event: Event) -> None:
    if event["kind"] == "epoch" and event["epoch"] == 1:
        raise KilledError


def test_private_training_learns_tells_what_it_spent_and_repeats_itself(trained: Paths) -> None:
    work_dir = train(trained, "a", max_epochs=8)
    found = result(work_dir)
    assert found["history"][-1]["val_accuracy"] > 0.6
    assert 19.5 < found["privacy"]["epsilon"] <= 20
    assert found["privacy"]["delta"] == pytest.approx(500**-1.1)
    assert not (work_dir / PRIVACY_KEY).exists()
    assert weights(train(trained, "b", max_epochs=8)) == weights(work_dir)
    assert weights(train(trained, "c", max_epochs=8, seed=1)) != weights(work_dir)


def test_private_training_that_is_interrupted_goes_on_to_the_same_weights(trained: Paths) -> None:
    with pytest.raises(KilledError):
        train(trained, "killed", killed)
    assert weights(train(trained, "killed")) == weights(train(trained, "whole"))


def test_secure_training_has_a_key_of_its_own_and_goes_on_with_it(trained: Paths) -> None:
    secure: Any = {"privacy": {"epsilon": 20.0}, "max_epochs": 2}
    first, second = train(trained, "a", **secure), train(trained, "b", **secure)
    assert weights(first) != weights(second)
    (trained.root / "c").mkdir()
    (trained.root / "c" / PRIVACY_KEY).write_bytes((first / PRIVACY_KEY).read_bytes())
    assert weights(train(trained, "c", **secure)) == weights(first)


def test_private_training_that_stops_early_spent_less(trained: Paths) -> None:
    stopping = {"max_epochs": 20, "learning_rate": 1e-9, "early_stopping": {"patience": 1, "min_delta": 0.5}}
    found = result(train(trained, "a", **stopping))
    assert found["epochs"] < 5
    assert 0 < found["privacy"]["epsilon"] < 15


def test_private_training_in_bf16_learns(trained: Paths) -> None:
    found = result(train(trained, "a", precision="bf16", max_epochs=8))
    assert found["history"][-1]["val_accuracy"] > 0.6


@pytest.mark.slow
def test_private_training_killed_for_real_goes_on_to_the_same_weights(trained: Paths) -> None:
    work_dir = trained.root / "killed"
    work_dir.mkdir()
    secure = {**SETTINGS, "privacy": {"epsilon": 20.0}}
    command = [sys.executable, "-c", KILLED, str(trained.normalized_dir), str(work_dir), json.dumps(secure)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["0\n", "1\n"]
        process.kill()
    assert process.returncode == -signal.SIGKILL
    (trained.root / "whole").mkdir()
    (trained.root / "whole" / PRIVACY_KEY).write_bytes((work_dir / PRIVACY_KEY).read_bytes())
    whole = train(trained, "whole", privacy={"epsilon": 20.0})
    assert weights(train(trained, "killed", privacy={"epsilon": 20.0})) == weights(whole)


def test_padding_stays_0_in_a_private_training_of_texts(
    built_project: Callable[[str, str], Paths], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    paths = built_project("text", "classification")
    settings = {**SETTINGS, "model": {"name": "text_mean", "width": 4, "dense": []}, "max_epochs": 1}
    fit(FitJob(str(paths.normalized_dir), str(tmp_path), settings), lambda _: None, WorkerContext(num_threads=1))
    found = next(weight for name, weight in load_file(tmp_path / WEIGHTS).items() if name.endswith("embedding.weight"))
    assert found[0].abs().max() == 0
    assert found[1:].abs().min() > 0
