import pytest
import torch
from torch import nn

from headrace.errors import ConfigError
from headrace.models.cnn import ResNet
from headrace.models.residual import BlockStyle, PostActivationBlock, PreActivationBlock

STYLES = [BlockStyle("relu", norm, is_pre_activation=is_pre) for norm in ("batch", "group") for is_pre in (True, False)]
styles = pytest.mark.parametrize("style", STYLES)


def block_of(style: BlockStyle, num_inputs: int, num_outputs: int, stride: int) -> nn.Module:
    torch.manual_seed(0)
    kind = PreActivationBlock if style.is_pre_activation else PostActivationBlock
    return kind(num_inputs, num_outputs, stride=stride, style=style).eval()


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@styles
def test_block_with_zero_weights_is_its_shortcut(style: BlockStyle) -> None:
    block, values = block_of(style, 8, 8, 1), torch.randn(2, 8, 5, 6)
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.weight)
    torch.testing.assert_close(block(values), values if style.is_pre_activation else values.relu())


@styles
def test_block_of_another_width_halves_the_image(style: BlockStyle) -> None:
    assert block_of(style, 8, 16, 2)(torch.randn(2, 8, 7, 6)).shape == (2, 16, 4, 3)


def test_number_of_parameters() -> None:
    stem, first = 3 * 4 * 9, 2 * 8 + 2 * 4 * 4 * 9
    second = 8 + 4 * 8 * 9 + 16 + 8 * 8 * 9 + 4 * 8
    network = ResNet(width=4, num_stages=2, depth=1).build([8, 8, 3], 5)
    assert num_parameters(network) == stem + first + second + 16 + 8 * 5 + 5


@pytest.mark.parametrize(("stem_stride", "size"), [(1, (4, 5)), (2, (2, 3))])
def test_stages_and_stem_halve_the_image(stem_stride: int, size: tuple[int, int]) -> None:
    network = ResNet(width=4, num_stages=3, depth=2, stem_stride=stem_stride).build([15, 20, 1], 2)
    before_pooling = nn.Sequential(*list(network.children())[:-4])
    assert before_pooling(torch.randn(2, 1, 15, 20)).shape == (2, 16, *size)


def test_group_norm_in_training_treats_rows_independently() -> None:
    network, images = ResNet(width=8, norm="group").build([8, 8, 3], 4).train(), torch.randn(5, 3, 8, 8)
    torch.testing.assert_close(network(images)[:1], network(images[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("style", [style for style in STYLES if style.norm == "group"])
@pytest.mark.parametrize("channels", [5, 24])
def test_group_norm_has_groups_of_eight_channels_if_divisible(style: BlockStyle, channels: int) -> None:
    norm = style.make_norm(channels)
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_groups == (3 if channels == 24 else 1)


def test_single_row_of_the_smallest_image_is_finite_in_training() -> None:
    network = ResNet(width=4, num_stages=3, depth=1).build([5, 1, 1], 2).train()
    assert torch.isfinite(network(torch.randn(1, 1, 5, 1))).all()


def test_image_that_is_too_small_raises() -> None:
    with pytest.raises(ConfigError) as caught:
        ResNet(num_stages=3).build([4, 4, 1], 2)
    assert str(caught.value) == (
        "params.yaml: train.model.num_stages: 2 halvings leave one pixel of an image of [4, 4]; "
        "use fewer stages, or a larger normalize.image_size"
    )


def test_network_learns_a_pattern_at_varying_positions() -> None:
    torch.manual_seed(0)
    network = ResNet(width=8, num_stages=2, depth=1).build([8, 8, 1], 2)
    images, classes = 0.1 * torch.randn(64, 1, 8, 8), torch.arange(64) % 2
    for row, start in enumerate(torch.randint(0, 6, (64,)).tolist()):
        stroke = (slice(start, start + 3), start) if row % 2 else (start, slice(start, start + 3))
        images[(row, 0, *stroke)] += 2.0
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), classes).backward()
        optimizer.step()
    assert (network.eval()(images).argmax(1) == classes).float().mean() > 0.95
