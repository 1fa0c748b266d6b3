from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from headrace.explanation.methods.attributions import AttributionRequest, attribute_images
from headrace.explanation.methods.grad_cam import find_cam_obstacle, find_feature_layer, grad_cam
from headrace.models import MODELS, models_for
from headrace.models.cnn import Cnn, ResNet
from headrace.models.mlp import Mlp
from headrace.models.vit import Vit

SHAPE = [16, 16, 3]


class ToFloat(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.to(torch.float32).permute(0, 3, 1, 2) / 255


def test_map_is_the_sum_of_channels_weighted_by_their_mean_gradients() -> None:
    torch.manual_seed(0)
    convolution, head = nn.Conv2d(1, 2, 1), nn.Linear(2 * 4 * 4, 3)
    model = nn.Sequential(convolution, nn.Flatten(), head)
    images, classes = torch.rand(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1])
    maps = grad_cam(model, images, classes, num_steps=2, inputs_per_pass=4).detach()
    gradients = head.weight[classes].reshape(5, 2, 4, 4)  # of a linear head, everywhere the same
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(maps, (weights * convolution(images)).sum(dim=1).detach())
    assert (maps < 0).any(), "what opposes the class is shown too"


@pytest.mark.parametrize(
    "options", [{"depth": 1}, {"depth": 1, "pre_activation": False}, {"depth": 2, "norm": "group"}], ids=str
)
def test_layer_of_a_residual_network_is_the_last_before_pooling(options: dict[str, Any]) -> None:
    model = ResNet(width=8, num_stages=2, **options).build(SHAPE, 3).eval()
    outputs = []
    layer = find_feature_layer(model, torch.rand(1, 3, 16, 16))
    layer.register_forward_hook(lambda *values: outputs.append(values[2]))
    pooled: list[torch.Tensor] = []
    pool = next(module for module in model.modules() if isinstance(module, nn.AdaptiveAvgPool2d))
    pool.register_forward_pre_hook(lambda _, values: pooled.append(values[0]))
    model(torch.rand(2, 3, 16, 16))
    assert outputs[0] is pooled[0]


@pytest.mark.parametrize("name", [name for name in models_for("image") if name in MODELS])
def test_every_image_model_has_maps_or_a_reason(name: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(ToFloat(), MODELS[name]().build(SHAPE, 3)).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)
    if find_cam_obstacle(network):
        assert name in {"vit", "mlp", "linear"}
        return
    maps = attribute_images(AttributionRequest(network, pixels, np.array([0, 1, 2, 0]), "grad_cam"))
    assert maps.shape == (4, 16, 16)
    assert np.isfinite(maps).all()
    assert maps.std() > 0


def test_copies_of_test_time_augmentation_do_not_mix() -> None:
    torch.manual_seed(0)
    plain = Cnn(blocks=[4, "pool"]).build(SHAPE, 3)
    torch.manual_seed(0)
    averaged = Cnn(blocks=[4, "pool"], mirror=True).build(SHAPE, 3)
    pixels = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)
    maps = [
        attribute_images(
            AttributionRequest(nn.Sequential(ToFloat(), model).eval(), pixels, np.zeros(4, int), "grad_cam")
        )
        for model in (plain, averaged)
    ]
    assert maps[0] == pytest.approx(maps[1])


def test_obstacles_name_what_a_model_lacks() -> None:
    assert find_cam_obstacle(Mlp().build(SHAPE, 2)) == "the model has no convolution"
    assert "patches" in find_cam_obstacle(Vit(patch=4).build(SHAPE, 2))
    assert find_cam_obstacle(Cnn(blocks=[4]).build(SHAPE, 2)) == ""
    with pytest.raises(ValueError, match="no feature maps"):
        find_feature_layer(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.rand(1, 3, 2, 2))
