"""Per-sample gradients against a loop of backward passes."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headrace.contracts import Batch
from headrace.models import find_model, models_for
from headrace.paths import Paths
from headrace.tasks import TASKS
from headrace.training.privacy import per_sample_gradients
from headrace.training.privacy.per_sample_gradients import PerSampleGradients

CLIP = 0.7
IDS = torch.from_numpy(np.random.default_rng(0).integers(1, 12, (9, 6)))
IDS[0, 4:] = 0
INPUTS: dict[str, Callable[[], tuple[Tensor, list[int]]]] = {
    "image": lambda: (torch.randn(9, 1, 16, 16), [16, 16, 1]),
    "table": lambda: (torch.randn(9, 7), [7]),
    "text": lambda: (IDS, [6, 12]),
}
OPTIONS = {"resnet": {"norm": "group", "num_stages": 2, "depth": 1}, "rnn": {"cell": "lstm"}}
MODELS = [(modality, name) for modality in INPUTS for name in models_for(modality)]


def loss(outputs: Tensor, batch: Batch) -> Tensor:
    return TASKS["classification"].loss(outputs, batch, {"label_smoothing": 0.1})


def sum_clipped_in_a_loop(network: nn.Module, batch: Batch, clip: float) -> tuple[Tensor, list[float]]:
    """Runs one backward pass per row."""
    total, norms = torch.zeros(sum(weight.numel() for weight in network.parameters())), []
    for row in range(len(batch.targets)):
        network.zero_grad()
        inputs, targets, weights = (part[row : row + 1] for part in (batch.inputs, batch.targets, batch.weights))
        loss(network(inputs), Batch(inputs, targets, weights, 1)).backward()
        gradient = torch.cat([
            torch.zeros(weight.numel()) if weight.grad is None else weight.grad.flatten()
            for weight in network.parameters()
        ])  # fmt: skip
        norms.append(float(gradient.norm()))
        total += gradient * min(1.0, clip / max(norms[-1], 1e-12))
    return total, norms


@pytest.mark.parametrize(("modality", "name"), MODELS)
def test_clipped_sum_is_that_of_a_loop_over_the_rows(modality: str, name: str) -> None:
    torch.manual_seed(0)
    inputs, shape = INPUTS[modality]()
    network = find_model({"name": name, **OPTIONS.get(name, {})}, "model").build(shape, 3).eval()
    batch = Batch(inputs, torch.arange(9) % 3, torch.tensor([1.0] * 8 + [0.0]), 8)
    expected, norms = sum_clipped_in_a_loop(network, batch, CLIP)
    assert norms[-1] == 0
    assert max(norms) > CLIP, "some gradients are clipped"
    total, outputs = PerSampleGradients(network, loss).clipped_sum(batch, CLIP)
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outputs, network(inputs).detach(), rtol=1e-4, atol=1e-5)


def make_linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(7, 3)


def test_one_row_changes_the_sum_by_at_most_the_clip() -> None:
    network, inputs = make_linear(), torch.randn(9, 7)
    inputs[4] *= 1e4  # a row that would dominate the sum
    rows = PerSampleGradients(network, loss)
    full, _ = rows.clipped_sum(Batch(inputs, torch.zeros(9, dtype=torch.int64), torch.ones(9), 9), CLIP)
    for left_out in range(9):
        keep = [row for row in range(9) if row != left_out]
        part, _ = rows.clipped_sum(Batch(inputs[keep], torch.zeros(8, dtype=torch.int64), torch.ones(8), 8), CLIP)
        assert float((full - part).norm()) <= CLIP * (1 + 1e-5)


def test_small_gradients_are_not_clipped() -> None:
    network, batch = make_linear(), Batch(torch.randn(9, 7), torch.arange(9) % 3, torch.ones(9), 9)
    total, _ = PerSampleGradients(network, loss).clipped_sum(batch, 1e6)
    loss(network(batch.inputs), batch).backward()
    plain = torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None])
    torch.testing.assert_close(total, plain)


def test_sum_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    network, batch = make_linear(), Batch(torch.randn(9, 7), torch.arange(9) % 3, torch.ones(9), 9)
    full, outputs = PerSampleGradients(network, loss).clipped_sum(batch, CLIP)
    monkeypatch.setattr(per_sample_gradients, "BYTES_AT_ONCE", 4 * 24 * 4)  # four rows of 24 parameters
    parts, same_outputs = PerSampleGradients(network, loss).clipped_sum(batch, CLIP)
    torch.testing.assert_close(parts, full)
    torch.testing.assert_close(same_outputs, outputs)


def test_dropout_is_drawn_for_each_row() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(40, 3, bias=False))
    batch = Batch(torch.ones(2, 40), torch.zeros(2, dtype=torch.int64), torch.ones(2), 2)
    _, outputs = PerSampleGradients(network.train(), loss).clipped_sum(batch, CLIP)
    assert not torch.equal(outputs[0], outputs[1])


def test_shared_weights_have_one_gradient_and_frozen_ones_none() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(7, 7), nn.Linear(7, 3)
            self.second = nn.Linear(7, 7)
            self.second.weight = self.first.weight
            self.head.requires_grad_(False)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(self.second(torch.tanh(self.first(inputs))))

    torch.manual_seed(0)
    network, batch = Twice(), Batch(torch.randn(1, 7), torch.tensor([1]), torch.ones(1), 1)
    rows = PerSampleGradients(network, loss)
    assert list(rows.parameters) == ["first.weight", "first.bias", "second.bias"]
    total, _ = rows.clipped_sum(batch, 1e6)
    loss(network(batch.inputs), batch).backward()
    plain = [weight.grad.flatten() for weight in rows.parameters.values() if weight.grad is not None]
    torch.testing.assert_close(total, torch.cat(plain))


def test_padding_of_an_embedding_is_fixed() -> None:
    network = find_model({"name": "text_mean", "width": 4, "dense": []}, "model").build([6, 5], 2)
    fixed = PerSampleGradients(network, loss).find_fixed()
    assert fixed.tolist() == [True] * 4 + [False] * (4 * 4 + 4 * 2 + 2)


def test_clipped_sum_of_a_network_with_preprocessing(trained: Paths) -> None:
    from headrace.contracts import Spec
    from headrace.models.network import build_network

    transform = json.loads((trained.normalized_dir / "transform.json").read_text())
    network = build_network({"name": "cnn", "blocks": [8, "pool"]}, Spec.read(trained.normalized_dir), transform)
    inputs = torch.from_numpy(np.load(trained.normalized_dir / "val" / "inputs.npy")[:9])
    targets = torch.from_numpy(np.load(trained.normalized_dir / "val" / "targets.npy")[:9])
    batch = Batch(inputs, targets, torch.ones(9), 9)
    expected, _ = sum_clipped_in_a_loop(network, batch, CLIP)
    torch.testing.assert_close(
        PerSampleGradients(network, loss).clipped_sum(batch, CLIP)[0], expected, rtol=1e-4, atol=1e-5
    )
