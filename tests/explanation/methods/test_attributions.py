from typing import get_args

import numpy as np
import pytest
import torch

from headrace.explanation.methods.attributions import (
    METHOD_TITLES,
    AttributionRequest,
    MethodName,
    attribute_images,
)
from headrace.models.network import load_network
from headrace.paths import Paths
from headrace.settings.explain import Method
from headrace.storage.arrays import open_arrays
from headrace.storage.bundle import read_bundle


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_attributions_of_a_linear_model_are_weights_times_inputs(method: str) -> None:
    """For w.x, integrated gradients are w * x, and so is occlusion of single pixels."""
    torch.manual_seed(0)

    class ToFloat(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.to(torch.float32).permute(0, 3, 1, 2) / 255 - 0.5

    linear = torch.nn.Linear(2 * 5 * 4, 3)
    network = torch.nn.Sequential(ToFloat(), torch.nn.Sequential(torch.nn.Flatten(), linear))
    inputs = np.random.default_rng(0).integers(0, 256, (40, 5, 4, 2), dtype=np.uint8)
    classes = np.arange(40) % 3
    attributions = attribute_images(AttributionRequest(network, inputs, classes, method, 4))  # type: ignore[arg-type]
    weights = linear.weight.detach().numpy().reshape(3, 2, 5, 4)[classes]
    expected = (weights * (inputs.transpose(0, 3, 1, 2) / 255 - 0.5)).sum(axis=1)
    assert attributions.shape == (40, 5, 4)
    assert attributions == pytest.approx(expected, abs=1e-5)


def test_integrated_gradients_sum_to_the_difference_of_the_logit(trained: Paths) -> None:
    bundle = read_bundle(trained.trained_dir)
    network, inputs = load_network(bundle), open_arrays(trained.normalized_dir / "val").inputs[:10]
    with torch.inference_mode():
        prepared = network[0](torch.from_numpy(np.array(inputs)))
        logits, at_mean = network[1](prepared).numpy(), network[1](torch.zeros_like(prepared)).numpy()
    classes = logits.argmax(axis=1)
    attributions = attribute_images(AttributionRequest(network, inputs, classes, "integrated_gradients", 128))
    rows = np.arange(10)
    assert attributions.sum(axis=(1, 2)) == pytest.approx((logits - at_mean)[rows, classes], rel=0.05, abs=0.3)


def test_every_method_of_the_settings_has_a_title() -> None:
    assert get_args(Method) == get_args(MethodName) == tuple(METHOD_TITLES)
