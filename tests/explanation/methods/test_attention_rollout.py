import numpy as np
import pytest
import torch

from headrace.explanation.methods.attention_rollout import (
    attribute_patches,
    attribute_tokens,
    combine_blocks,
    find_attention_obstacle,
)
from headrace.explanation.methods.attributions import AttributionRequest
from headrace.models.attention import attention_maps
from headrace.models.cnn import Cnn
from headrace.models.text import TextMean, Transformer
from headrace.models.tokens import PatchEmbedding
from headrace.models.vit import Vit

IDS = np.array([[3, 4, 5, 0, 0], [6, 7, 8, 9, 1], [2, 0, 0, 0, 0]], np.int32)


class ToLong(torch.nn.Module):
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return ids.to(torch.int64)


class ToFloat(torch.nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.to(torch.float32).permute(0, 3, 1, 2) / 255


def request_of(preprocess: torch.nn.Module, model: torch.nn.Module, inputs: np.ndarray) -> AttributionRequest:
    network = torch.nn.Sequential(preprocess, model).eval()
    return AttributionRequest(network, inputs, np.zeros(len(inputs), np.int64), "attention")


def test_blocks_are_combined_by_hand() -> None:
    block = torch.tensor([[[0.0, 1.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])  # two equal heads
    mixed = torch.tensor([[0.5, 0.5], [0.25, 0.75]])  # half of each is the shortcut
    torch.testing.assert_close(combine_blocks(block[None, None])[0], mixed)
    torch.testing.assert_close(combine_blocks(torch.stack([block, block])[None])[0], mixed @ mixed)


def test_tokens_share_one_and_padding_has_nothing() -> None:
    torch.manual_seed(0)
    model = Transformer(num_heads=2).build([5, 10], 4)
    shares = attribute_tokens(request_of(ToLong(), model, IDS))
    assert shares.shape == IDS.shape
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (shares[IDS == 0] == 0).all()
    assert shares[2, 0] == pytest.approx(1)


@pytest.mark.parametrize(("pool", "mirror"), [("mean", False), ("class", False), ("mean", True)])
def test_pixels_of_a_patch_have_its_share(pool: str, mirror: bool) -> None:
    torch.manual_seed(0)
    model = Vit(patch=4, num_heads=2, pool=pool, mirror=mirror).build([8, 12, 3], 4)  # type: ignore[arg-type]
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 12, 3), dtype=np.uint8)
    request = request_of(ToFloat(), model, pixels)
    maps = attribute_patches(request)
    assert maps.shape == (3, 8, 12)
    plain = model.network if mirror else model
    rollout = combine_blocks(attention_maps(plain.eval(), ToFloat()(torch.from_numpy(pixels))))
    shares = rollout[:, 0, 1:] if pool == "class" else rollout.mean(dim=1)
    assert maps[:, ::4, ::4].reshape(3, 6) == pytest.approx(shares.numpy(), abs=1e-6)
    assert (maps[:, 4:, 8:] == maps[:, 4:5, 8:9]).all()


def test_obstacles_name_what_a_model_lacks() -> None:
    assert find_attention_obstacle(TextMean().build([5, 10], 2)) == "the model has no attention"
    assert find_attention_obstacle(Cnn(blocks=[4]).build([8, 8, 1], 2), needs_patches=True).endswith("no attention")
    transformer = Transformer(num_heads=2).build([5, 10], 2)
    assert find_attention_obstacle(transformer) == ""
    assert not any(isinstance(module, PatchEmbedding) for module in transformer.modules())
    assert find_attention_obstacle(transformer, needs_patches=True) == "the model has no patches"
    assert find_attention_obstacle(Vit(patch=4).build([8, 8, 1], 2), needs_patches=True) == ""
