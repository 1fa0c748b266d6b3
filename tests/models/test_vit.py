import pytest
import torch

from headrace.errors import ConfigError
from headrace.models.vit import Vit


@pytest.mark.parametrize("pool", ["mean", "class"])
def test_number_of_parameters(pool: str) -> None:
    network = Vit(width=8, hidden=6, num_heads=2, num_blocks=3, patch=4, pool=pool).build([8, 12, 3], 5)
    block = 2 * 8 + (8 * 24 + 24) + (8 * 8 + 8) + 2 * 8 + (8 * 6 + 6) + (6 * 8 + 8)
    expected = (3 * 16 * 8 + 8) + 6 * 8 + 3 * block + 2 * 8 + (8 * 5 + 5) + (8 if pool == "class" else 0)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_outputs_depend_on_the_order_of_patches() -> None:
    torch.manual_seed(0)
    network, images = Vit().build([8, 8, 1], 2).eval(), torch.randn(2, 1, 8, 8)
    assert (network(images) - network(images.flip(3))).abs().max() > 1e-4


def test_patches_that_do_not_tile_the_image_raise() -> None:
    with pytest.raises(ConfigError) as caught:
        Vit(patch=5).build([10, 12, 1], 2)
    assert str(caught.value) == (
        "params.yaml: train.model.patch: patches of 5 x 5 pixels do not cover images of 10 x 12 evenly; "
        "use a divisor of both, or another normalize.image_size"
    )
