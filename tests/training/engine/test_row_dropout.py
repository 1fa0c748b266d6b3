"""Masks of dropout by row, for shares of a batch, in recomputed blocks, and under vmap."""

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headrace.contracts import Batch
from headrace.models import MODELS, find_model
from headrace.training.engine.row_dropout import draw_elements, draws_otherwise, use_row_dropout
from headrace.training.privacy.per_sample_gradients import PerSampleGradients

SHAPES = {"image": [16, 16, 1], "text": [8, 20], "table": [6]}
WITH_DROPOUT = [name for name, model in MODELS.items() if "dropout" in model.model_fields]
BITS = 2**64


def build(name: str) -> tuple[nn.Module, Tensor]:
    """Returns a network without batch norm in training mode, with dropout if it has any, and 12 rows for it."""
    torch.manual_seed(0)
    modality = MODELS[name].modalities[0]  # type: ignore[attr-defined]
    options: dict[str, Any] = {"norm": "group"} if name == "resnet" else {}
    options |= {"dropout": 0.3} if name in WITH_DROPOUT else {}
    network = find_model({"name": name, **options}, "x").build(SHAPES[modality], 3).train()
    inputs = {"image": torch.randn(12, 1, 16, 16), "table": torch.randn(12, 6), "text": torch.randint(1, 20, (12, 8))}
    return network, inputs[modality]


@pytest.mark.parametrize("num_workers", [2, 5])
@pytest.mark.parametrize("name", WITH_DROPOUT)
def test_shares_of_a_batch_get_the_masks_of_the_whole(name: str, num_workers: int) -> None:
    network, inputs = build(name)
    draws = use_row_dropout(network, 3)
    draws.begin(1, 2)
    draws.select_rows(0, 12)
    expected = network(inputs)
    assert not torch.allclose(expected, network.eval()(inputs), atol=1e-2)
    network.train()
    outputs, first = [], 0
    for share in torch.tensor_split(inputs, num_workers):
        draws.select_rows(first, len(share))
        outputs.append(network(share))
        first += len(share)
    torch.testing.assert_close(torch.cat(outputs), expected, rtol=1e-5, atol=1e-6)


def test_masks_of_texts_do_not_depend_on_the_padding() -> None:
    """A share is padded to its own longest row."""
    network, ids = build("transformer")
    draws = use_row_dropout(network, 3)
    draws.select_rows(4, 8)
    plain = network(ids[4:, :5])
    draws.select_rows(4, 8)
    padded = network(nn.functional.pad(ids[4:, :5], (0, 3)))
    torch.testing.assert_close(padded, plain, rtol=1e-5, atol=1e-6)


def draw_ones(layer: nn.Module, shape: tuple[int, ...], **position: int) -> Tensor:
    """Returns what becomes of ones, in the pass of all their rows."""
    draws = use_row_dropout(nn.Sequential(layer.train()), position.get("seed", 0))
    draws.begin(position.get("epoch", 0), position.get("step", 0))
    draws.select_rows(0, shape[0])
    result: Tensor = layer(torch.ones(shape))
    return result


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.875, 0.999])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate: float) -> None:
    values = draw_ones(nn.Dropout(rate), (400, 1000))
    kept = values != 0
    assert 1 - kept.double().mean() == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / 4e5))
    assert values[kept].unique().item() == pytest.approx(1 / (1 - rate), rel=2**-16 / (1 - rate))
    for axis in (0, 1):  # no row and no element is special
        fractions = kept.double().mean(dim=axis)
        assert fractions.std() == pytest.approx(np.sqrt(rate * (1 - rate) / kept.shape[axis]), rel=0.2)


def test_neighbours_are_independent() -> None:
    kept = (draw_ones(nn.Dropout(0.5), (500, 800)) != 0).double() - 0.5
    for shifted in (kept[:, 1:] * kept[:, :-1], kept[:, 4:] * kept[:, :-4], kept[1:] * kept[:-1]):
        assert abs(shifted.mean()) < 5 * 0.25 / np.sqrt(shifted.numel())


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"step": 1}])
def test_each_seed_epoch_and_step_has_masks_of_its_own(change: dict[str, int]) -> None:
    first, second = draw_ones(nn.Dropout(0.5), (20, 50)), draw_ones(nn.Dropout(0.5), (20, 50), **change)
    assert 0.4 < (first != second).double().mean() < 0.6
    assert torch.equal(draw_ones(nn.Dropout(0.5), (20, 50)), first)


def test_each_use_of_each_layer_has_a_mask_of_its_own() -> None:
    layers = nn.Dropout(0.5), nn.Dropout(0.5)
    draws = use_row_dropout(nn.Sequential(*layers).train(), 0)
    draws.select_rows(0, 20)
    masks = [layer(torch.ones(20, 50)) for layer in (layers[0], layers[0], layers[1])]
    assert all(0.4 < (masks[a] != masks[b]).double().mean() < 0.6 for a, b in ((0, 1), (0, 2), (1, 2)))
    draws.select_rows(0, 20)
    assert torch.equal(layers[0](torch.ones(20, 50)), masks[0]), "a new pass begins anew"


def test_channels_are_dropped_as_a_whole() -> None:
    values = draw_ones(nn.Dropout2d(0.5), (30, 20, 4, 5))
    assert (values == values[:, :, :1, :1]).all()
    assert 0.4 < (values[:, :, 0, 0] != 0).double().mean() < 0.6


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_rates_at_the_ends_keep_all_or_nothing(rate: float) -> None:
    assert draw_ones(nn.Dropout(rate), (3, 4)).unique().tolist() == [1 - rate]


def test_entries_of_one_row_may_fill_several_places_of_the_first_axis() -> None:
    """As attention over windows, or a dense layer of all tokens, has them: [rows * places, ...]."""
    layer = nn.Dropout(0.5)
    draws = use_row_dropout(nn.Sequential(layer).train(), 0)
    draws.select_rows(0, 6)
    expected = layer(torch.ones(6 * 4, 5))
    draws.select_rows(2, 3)
    assert torch.equal(layer(torch.ones(3 * 4, 5)), expected[2 * 4 : 5 * 4])


def test_what_has_no_rows_gets_the_same_mask_on_all_workers() -> None:
    layer = nn.Dropout(0.5)
    draws = use_row_dropout(nn.Sequential(layer).train(), 0)
    masks = []
    for first, num_rows in ((0, 6), (0, 3), (3, 3)):
        draws.select_rows(first, num_rows)
        masks.append(layer(torch.ones(1, 40)))
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])


def split_mix(key: str, row: int, index: int) -> int:
    """SplitMix64 in plain arithmetic: the element at `index` of a row, unsigned."""
    start = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")
    word = (start + 0x9E3779B97F4A7C15 * ((row << 32) + index // 4)) % BITS
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % BITS
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % BITS
    return ((word ^ (word >> 31)) >> 16 * (index % 4)) % 2**16


def test_elements_are_those_of_split_mix_and_the_same_as_a_tensor() -> None:
    drawn = draw_elements("some key", 70_000, 3, 9)
    assert (drawn.astype(int) % 2**16).tolist() == [
        [split_mix("some key", row, index) for index in range(9)] for row in range(70_000, 70_003)
    ]
    assert torch.equal(draw_elements("some key", 70_000, 3, 9, torch.device("cpu")), torch.from_numpy(drawn))
    np.testing.assert_array_equal(draw_elements("some key", 70_001, 1, 40)[:, :9], drawn[1:2])


def test_bfloat16_stays_bfloat16() -> None:
    layer = nn.Dropout(0.5)
    use_row_dropout(nn.Sequential(layer).train(), 0).select_rows(0, 4)
    assert layer(torch.ones(4, 5, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_per_sample_gradients_have_the_masks_of_the_batch() -> None:
    network, inputs = build("transformer")
    draws = use_row_dropout(network, 0)

    def loss(outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs.square().sum(dim=1) * batch.weights).sum()

    batch = Batch(inputs, torch.zeros(12), torch.ones(12), 40, first_row=9)
    gradients = PerSampleGradients(network, loss, draws)
    gradients._rows_at_once = 5
    total, outputs = gradients.clipped_sum(batch, 1e9)
    draws.select_rows(9, 12)
    expected = network(inputs)
    torch.testing.assert_close(outputs, expected.detach(), rtol=1e-4, atol=1e-5)
    loss(expected, batch).backward()
    flat = torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])
    torch.testing.assert_close(total, flat, rtol=1e-3, atol=1e-4)


class Functional(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return nn.functional.dropout(values, 0.5, self.training)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5)), False),
        (Functional(), True),
        (nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), True),
        (nn.GRU(6, 4, num_layers=2, dropout=0.5), True),
    ],
    ids=["replaced", "functional", "attention", "recurrent"],
)
def test_draws_of_other_layers_are_detected(network: nn.Module, expected: Any) -> None:
    assert draws_otherwise(network, torch.randn(2, 3, 6)) == expected


@pytest.mark.parametrize("name", MODELS)
def test_built_in_models_draw_by_row_only(name: str) -> None:
    assert not draws_otherwise(*build(name))
