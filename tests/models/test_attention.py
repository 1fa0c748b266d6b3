import pytest
import torch
from torch import nn

from headrace.models.attention import Attention, attention_maps
from headrace.models.mlp import Mlp
from headrace.models.table import TableTransformer
from headrace.models.text import Transformer
from headrace.models.vit import Vit

IDS = torch.tensor([[3, 4, 5, 0, 0], [6, 7, 8, 9, 1], [2, 0, 0, 0, 0]])
CASES = {
    "vit": (Vit(patch=4, num_heads=2).build([8, 12, 3], 4), torch.randn(3, 3, 8, 12), 6),
    "vit_class": (Vit(patch=4, num_heads=2, pool="class").build([8, 12, 3], 4), torch.randn(3, 3, 8, 12), 7),
    "text": (Transformer(num_heads=2, dropout=0.5).build([5, 10], 4), IDS, 5),
    "table": (TableTransformer(num_heads=2).build([4], 4, layout=[0, 1, 1, 2]), torch.randn(3, 4), 4),
}
cases = pytest.mark.parametrize("name", CASES)


@cases
def test_rows_of_attention_maps_sum_to_one(name: str) -> None:
    network, inputs, num_tokens = CASES[name]
    maps = attention_maps(network, inputs)
    assert maps.shape == (3, 2, 2, num_tokens, num_tokens)
    torch.testing.assert_close(maps.sum(dim=-1), torch.ones(maps.shape[:-1]))
    assert (maps >= 0).all()
    assert maps.std() > 1e-3, "the weights are not uniform"


def test_attention_maps_are_0_for_padding() -> None:
    network, ids, _ = CASES["text"]
    maps = attention_maps(network, ids)
    assert not maps[(ids == 0)[:, None, None, None, :].expand_as(maps)].any()


@pytest.mark.parametrize("mask", [None, torch.tensor([[True, True, False], [True, False, False]])])
def test_forward_averages_the_values_with_the_weights(mask: torch.Tensor | None) -> None:
    attention, values = Attention(8, 2), torch.randn(2, 3, 8)
    projected = attention.inward(values)[..., 16:].reshape(2, 3, 2, 4).transpose(1, 2)
    mixed = (attention.weights(values, mask) @ projected).transpose(1, 2).reshape(2, 3, 8)
    torch.testing.assert_close(attention(values, mask), attention.outward(mixed))


def test_weights_match_the_formula() -> None:
    attention, values = Attention(6, 1), torch.randn(1, 4, 6)
    query, key, _ = attention.inward(values)[0].split(6, dim=1)
    scores = torch.tensor([[(q @ k).item() / 6**0.5 for k in key] for q in query])
    torch.testing.assert_close(attention.weights(values)[0, 0], scores.exp() / scores.exp().sum(dim=1, keepdim=True))


@cases
@pytest.mark.parametrize("is_training", [True, False])
def test_attention_maps_restore_the_network(name: str, is_training: bool) -> None:
    network, inputs, _ = CASES[name]
    network.train(is_training)
    torch.testing.assert_close(attention_maps(network, inputs), attention_maps(network, inputs), rtol=0, atol=0)
    assert network.training == is_training
    assert not [module for module in network.modules() if module._forward_pre_hooks]


def test_attention_maps_without_attention_raise() -> None:
    with pytest.raises(ValueError, match="Sequential has no Attention; give it a transformer"):
        attention_maps(nn.Sequential(Mlp().build([3], 2)), torch.zeros(1, 3))


@pytest.mark.parametrize("mask", [None, torch.tensor([[True, True, False], [True, False, False]])])
def test_attention_in_bfloat16_is_close_to_float32(mask: torch.Tensor | None) -> None:
    attention, values = Attention(8, 2), torch.randn(2, 3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = attention(values, mask)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), attention(values, mask), rtol=0.05, atol=0.03)
